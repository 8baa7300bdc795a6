package vsphere

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"go.uber.org/zap"
)

// object is one managed object of a retrieval. mo.LoadObjectContent would turn one unreadable property into an
// error of the whole batch, so the content is kept as it came: what was read, and what was not and why.
type object struct {
	ref    types.ManagedObjectReference
	props  map[string]any
	unread map[string]string
}

// prop returns a property; ok is false when it is unset, unreadable or of another type.
func prop[T any](o object, path string) (value T, ok bool) {
	value, ok = o.props[path].(T)
	return value, ok
}

// text returns a property that is a string or one of the API's string enumerations; "" when there is none. Names are
// decoded here, at the door.
func text(o object, path string) string {
	v, ok := o.props[path]
	switch {
	case !ok || v == nil:
		return ""
	case path == "name":
		return unescape(fmt.Sprint(v))
	}
	return fmt.Sprint(v)
}

// unescape decodes a name: the API writes slash, backslash and percent in names as %2f, %5c and %25, whoever made
// the object.
func unescape(name string) string { return escapes.Replace(name) }

// escape spells a name as it stands in an inventory path, where a slash parts the names.
func escape(name string) string { return unescapes.Replace(name) }

var (
	escapes   = strings.NewReplacer("%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`, "%25", "%")
	unescapes = strings.NewReplacer("/", "%2f", `\`, "%5c", "%", "%25")
)

// refOf returns a property that is a reference. Some vCenters write their own id beside it, others do not: a reference
// is its type and value.
func refOf(o object, path string) (ref types.ManagedObjectReference, ok bool) {
	ref, ok = prop[types.ManagedObjectReference](o, path)
	return plain(ref), ok
}

// want names the properties that one look reads of one type.
type want struct {
	kind  string
	paths []string
}

// retrieve reads in one call (a few when the vCenter pages its answer). Objects that vanished meanwhile are
// left out. A dead session, which the property collector reports as unreadable paths and not as an error, comes
// back as an error here.
func retrieve(ctx context.Context, s *session, wants []want, roots []types.ObjectSpec) ([]object, error) {
	report := true
	spec := types.PropertyFilterSpec{ObjectSet: roots, ReportMissingObjectsInResults: &report}
	for _, w := range wants {
		spec.PropSet = append(spec.PropSet, types.PropertySpec{Type: w.kind, PathSet: w.paths})
	}
	contents, err := mo.RetrievePropertiesEx(ctx, s.vim, types.RetrievePropertiesEx{
		This:    s.vim.ServiceContent.PropertyCollector,
		SpecSet: []types.PropertyFilterSpec{spec},
	})
	if err != nil {
		return nil, err
	}
	objects := make([]object, 0, len(contents))
	for _, content := range contents {
		o, gone, err := decodeContent(content)
		if err != nil {
			return nil, err
		}
		if !gone {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

func decodeContent(content types.ObjectContent) (o object, gone bool, err error) {
	o = object{ref: plain(content.Obj), props: make(map[string]any, len(content.PropSet)), unread: map[string]string{}}
	for _, p := range content.PropSet {
		if p.Val != nil {
			o.props[p.Name] = p.Val
		}
	}
	for _, missing := range content.MissingSet {
		switch f := missing.Fault.Fault; {
		case fault.Is(f, &types.NotAuthenticated{}):
			return o, false, soap.WrapVimFault(f)
		case fault.Is(f, &types.ManagedObjectNotFound{}):
			gone = true
		default:
			o.unread[missing.Path] = reason(missing.Fault)
		}
	}
	return o, gone, nil
}

// reason says why a property could not be read, in the vCenter's words where it has some.
func reason(f types.LocalizedMethodFault) string {
	what := soap.WrapVimFault(f.Fault).Error()
	var denied *types.NoPermission
	if _, ok := fault.As(f.Fault, &denied); ok && denied.PrivilegeId != "" {
		what += " (needs " + denied.PrivilegeId + ")"
	}
	if f.LocalizedMessage != "" {
		what += ": " + f.LocalizedMessage
	}
	return what
}

// Traversals. A step leads from an object of a type along one of its properties; then says where to go on.
func step(name, kind, path string, then ...types.BaseSelectionSpec) *types.TraversalSpec {
	return &types.TraversalSpec{SelectionSpec: types.SelectionSpec{Name: name}, Type: kind, Path: path, SelectSet: then}
}

// again names a step that is defined elsewhere in the same traversal.
func again(name string) types.BaseSelectionSpec { return &types.SelectionSpec{Name: name} }

// from starts a traversal at objects, which are read too.
func from(refs []types.ManagedObjectReference, then ...types.BaseSelectionSpec) []types.ObjectSpec {
	specs := make([]types.ObjectSpec, len(refs))
	for i, ref := range refs {
		specs[i] = types.ObjectSpec{Obj: ref, SelectSet: then}
	}
	return specs
}

var placeProps = []string{"name", "parent"}

// places are the types that inventory paths are made of.
var places = []want{
	{"Folder", placeProps},
	{"Datacenter", placeProps},
	{"ComputeResource", placeProps}, // clusters are a kind of these
	{"StoragePod", placeProps},
	{"VirtualApp", placeProps},
}

// viewAll makes the view from which the directory is read. It lives as long as its session.
func viewAll(ctx context.Context, s *session) (types.ManagedObjectReference, error) {
	kinds := []string{"VirtualMachine"}
	for _, p := range places {
		kinds = append(kinds, p.kind)
	}
	res, err := methods.CreateContainerView(ctx, s.vim, &types.CreateContainerView{
		This: *s.vim.ServiceContent.ViewManager, Container: s.vim.ServiceContent.RootFolder, Type: kinds, Recursive: true,
	})
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	return res.Returnval, nil
}

// readDirectory lists every machine by name and UUID, and the places, in one call. A view that the vCenter does not
// know any more gives an empty answer and no error, so an answer without one datacenter is asked for anew.
func readDirectory(ctx context.Context, s *session) (directory, error) {
	wants := append(slices.Clone(places), want{"VirtualMachine", []string{"name", "parent", "parentVApp", "config.uuid", "config.instanceUuid"}})
	objects, err := retrieve(ctx, s, wants, from([]types.ManagedObjectReference{s.all}, step("all", "ContainerView", "view")))
	if err != nil {
		return directory{}, err
	}
	if !showsDatacenter(objects) {
		fresh, err := viewAll(ctx, s)
		if err != nil {
			return directory{}, err
		}
		defer destroyView(ctx, s, fresh)
		if objects, err = retrieve(ctx, s, wants, from([]types.ManagedObjectReference{fresh}, step("all", "ContainerView", "view"))); err != nil {
			return directory{}, err
		}
		if !showsDatacenter(objects) {
			return directory{}, errNoDatacenter
		}
	}
	return newDirectory(objects), nil
}

// errNoDatacenter is the answer that is none: what it does not list may well exist.
var errNoDatacenter = errors.New("the vCenter shows the account no datacenter")

func showsDatacenter(objects []object) bool {
	return slices.ContainsFunc(objects, func(o object) bool { return o.ref.Type == "Datacenter" })
}

func destroyView(ctx context.Context, s *session, view types.ManagedObjectReference) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyLimit)
	defer cancel()
	if _, err := methods.DestroyView(ctx, s.vim, &types.DestroyView{This: view}); err != nil {
		s.log.Debug("vCenter kept a view until the session ends", zap.Error(err))
	}
}

// readGuests reads what the guests of all machines call themselves, and their addresses, in one call.
func readGuests(ctx context.Context, s *session) ([]object, error) {
	return retrieve(ctx, s, []want{{"VirtualMachine", guestProps}}, from([]types.ManagedObjectReference{s.all}, step("all", "ContainerView", "view")))
}

// readClosure reads machines with their hosts, the datastores and storage pods of both, and the clusters, in
// one call.
func readClosure(ctx context.Context, s *session, refs []types.ManagedObjectReference) ([]object, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	pod := step("pod", "Datastore", "parent")
	return retrieve(ctx, s,
		[]want{{"VirtualMachine", vmProps}, {"HostSystem", hostProps}, {"Datastore", datastoreProps}, {"ComputeResource", placeProps}, {"StoragePod", podProps}},
		from(refs,
			step("vm-datastore", "VirtualMachine", "datastore", pod),
			step("vm-host", "VirtualMachine", "runtime.host",
				step("host-datastore", "HostSystem", "datastore", again("pod")),
				step("host-cluster", "HostSystem", "parent"))))
}

// readStorage reads every host and datastore, with the places, in one call.
func readStorage(ctx context.Context, s *session) ([]object, error) {
	wants := append(slices.Clone(places), want{"HostSystem", hostProps}, want{"Datastore", datastoreProps})
	further := []types.BaseSelectionSpec{again("children"), again("compute"), again("datastores"), again("hosts")}
	return retrieve(ctx, s, wants, from([]types.ManagedObjectReference{s.vim.ServiceContent.RootFolder},
		step("children", "Folder", "childEntity", further...),
		step("compute", "Datacenter", "hostFolder", further...),
		step("datastores", "Datacenter", "datastoreFolder", further...),
		step("hosts", "ComputeResource", "host")))
}
