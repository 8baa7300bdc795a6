package asrsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// patches are values that answers show in the place of the simulator's own: by machine or server in lower case,
// then by the path of the field. They make every state that the service can show, without the history behind it.
type patches map[string]map[string]any

// noField as a value takes the field out of the answer.
const noField = "none"

func (p patches) set(name, path, value string) {
	name = strings.ToLower(name)
	if p[name] == nil {
		p[name] = map[string]any{}
	}
	var parsed any = value
	if value != noField && json.Unmarshal([]byte(value), &parsed) != nil {
		parsed = value // not JSON: text
	}
	p[name][path] = parsed
}

// apply changes a view that nobody else holds, along paths such as providerSpecificDetails.osType.
func (p patches) apply(name string, view object) {
	of := p[strings.ToLower(name)]
	for _, path := range slices.Sorted(maps.Keys(of)) {
		at, segments := view, strings.Split(path, ".")
		for _, s := range segments[:len(segments)-1] {
			inner, ok := at[s].(object)
			if !ok {
				inner = object{}
				at[s] = inner
			}
			at = inner
		}
		last := segments[len(segments)-1]
		if of[path] == any(noField) {
			delete(at, last)
		} else {
			at[last] = of[path]
		}
	}
}

// SetItem shows a value in the properties of a machine's item, such as protectionState; "none" takes the field
// out. The machine itself does not change.
func (s *Server) SetItem(machine, path, value string) error {
	return s.onMachine(machine, func(m *machineNow) { s.patches.set("item/"+m.spec.Name, path, value) })
}

// SetServer shows a value in what the vault says of a server, such as ipAddress; "none" takes the field out.
func (s *Server) SetServer(server, path, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.components[strings.ToLower(server)]; !found && !strings.EqualFold(server, vcenterName) {
		return fmt.Errorf("server %q: the scenario has none of that name", server)
	}
	s.patches.set("server/"+server, path, value)
	return nil
}

// SetPart shows a value in what the vault says of one part of an appliance, such as health of its dras; "none" takes the
// field out.
func (s *Server) SetPart(name, part, path, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(components, part) {
		return fmt.Errorf("%q is no part of an appliance: %s are", part, strings.Join(components, ", "))
	}
	if c, found := s.components[strings.ToLower(name)]; !found || c.kind != appliance {
		return fmt.Errorf("appliance %q: the scenario has none of that name", name)
	}
	s.patches.set("part/"+name+"/"+part, path, value)
	return nil
}

// Unregister takes a configuration server out of the vault's fabrics, or puts it back.
func (s *Server) Unregister(server string, unregistered bool) error {
	return s.onComponent(server, configurationServer, func(c *component, _ time.Time) { c.unregistered = unregistered })
}

// Dissociate takes the failback policy from a configuration server, or gives it back (S32).
func (s *Server) Dissociate(server string, dissociated bool) error {
	return s.onComponent(server, configurationServer, func(c *component, _ time.Time) { c.noPolicy = dissociated })
}

// Refuse answers every request of a kind ("fabrics", "policies", "vcenters", …) with 403, or no longer.
func (s *Server) Refuse(kind string, refused bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(kinds(), kind) {
		return fmt.Errorf("%q is not a kind of request; %s are", kind, strings.Join(kinds(), ", "))
	}
	s.refused[kind] = refused
	return nil
}

func kinds() (all []string) {
	all = append(all, "site") // of the appliances, which is not the vault's
	for _, rt := range routes {
		all = append(all, rt.kind)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// HideAzureVMs takes the permission to read Azure VMs away, or gives it back.
func (s *Server) HideAzureVMs(hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noCompute = hidden
}
