package asrsim

import (
	"slices"
	"strings"
	"time"
)

// pointsEvery is how often a machine that replicates gets a recovery point.
const pointsEvery = 5 * time.Minute

// recoveryPoints are those of a machine, the latest first: in Azure the one that its failover was made with, on the way
// back the last three since it is protected. No recording shows any of a VMware machine.
func (s *Server) recoveryPoints(m *machine, now time.Time) []object {
	point := func(name string, at time.Time) object {
		return object{
			"id": s.itemID(m, now) + "/recoveryPoints/" + name, "name": name,
			"type": "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems/recoveryPoints",
			"properties": object{
				"recoveryPointTime": stamp(at), "recoveryPointType": "CrashConsistent",
				"providerSpecificDetails": object{"instanceType": "InMageRcm", "isMultiVmSyncPoint": "No"},
			},
		}
	}
	switch phase := s.phase(m, now); {
	case m.noPoints:
		return nil
	case !s.returned(m, now) && !phase.forwardAgain():
		return []object{point(s.failoverPoint(m), s.failedOverAt().Add(-s.sc.Real(time.Minute)))}
	case phase != Protected && phase != ProtectedAgain:
		return nil
	}
	var points []object
	every := max(s.sc.Real(pointsEvery), 1)
	for at := s.beat(now); len(points) < 3; at = at.Add(-every) {
		points = append(points, point(s.sc.UUID("recoverypoint "+stamp(at), m.spec.Name), at))
	}
	return points
}

// failoverPoint names the recovery point that a failover was made with.
func (s *Server) failoverPoint(m *machine) string { return s.sc.UUID("recoverypoint", m.spec.Name) }

func (s *Server) listRecoveryPoints(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	return ok(object{"value": append([]object{}, s.recoveryPoints(m, rq.now)...)})
}

// hasPoint says whether a machine has a recovery point of that id or name.
func (s *Server) hasPoint(m *machine, id string, now time.Time) bool {
	return slices.ContainsFunc(s.recoveryPoints(m, now), func(p object) bool {
		return strings.EqualFold(p["name"].(string), id) || sameID(p["id"].(string), id)
	})
}

func (s *Server) getRecoveryPoint(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	for _, point := range s.recoveryPoints(m, rq.now) {
		if point["name"] == rq.params[3] {
			return ok(point)
		}
	}
	return rq.notFound(rq.params[3])
}

// SetRecoveryPoints takes the recovery points of a machine away, or gives them back.
func (s *Server) SetRecoveryPoints(machine string, there bool) error {
	return s.onMachine(machine, func(m *machineNow) { m.noPoints = !there })
}

// AddAzureDisk attaches a managed disk of that name to the Azure VM of a machine: it was not replicated.
func (s *Server) AddAzureDisk(machine, disk string) error {
	return s.onMachine(machine, func(m *machineNow) { m.extraDisks = append(m.extraDisks, disk) })
}
