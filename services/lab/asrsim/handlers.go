package asrsim

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) getVault(*request) reply {
	return ok(object{
		"id": strings.TrimSuffix(s.id(), "/"), "name": s.sc.Vault, "type": "Microsoft.RecoveryServices/vaults",
		"location": azureLocation, "sku": object{"name": "Standard"},
		"properties": object{"provisioningState": "Succeeded"},
	})
}

func (s *Server) listItems(rq *request) reply {
	return s.pageOfItems(rq, s.id("replicationProtectedItems"), s.machines)
}

func (s *Server) listContainerItems(rq *request) reply {
	f, found := s.container(rq)
	if !found {
		return rq.notFound(rq.params[1])
	}
	var mine []*machine
	for _, m := range s.machines {
		if s.fabricOf(m) == f {
			mine = append(mine, m)
		}
	}
	return s.pageOfItems(rq, s.containerID(f)+"/replicationProtectedItems", mine)
}

// pageOfItems shows machines by their place in the scenario, which a classic machine keeps when its item is
// replaced: a list that is read across the change has it once.
func (s *Server) pageOfItems(rq *request, path string, machines []*machine) reply {
	if filter := firstOf(rq.query, "$filter"); filter != "" {
		plan, known := filterValue(filter, "RecoveryPlanName")
		if !known {
			return badFilter(filter)
		}
		machines = slices.DeleteFunc(slices.Clone(machines), func(m *machine) bool { return !s.inPlan(plan, m) })
	}
	machines = slices.DeleteFunc(slices.Clone(machines), func(m *machine) bool { return m.gone(rq.now) })
	return s.page(rq, path, list{
		n:     len(machines),
		place: func(i int) int { return machines[i].index },
		view:  func(i int) object { return s.listedItem(machines[i], rq.now) },
	})
}

func (s *Server) getItem(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	return ok(s.itemView(m, rq.now))
}

// listJobs shows the newest first, as summaries. Of the service's filters it knows JobStatus.
func (s *Server) listJobs(rq *request) reply {
	last := len(s.jobs) - 1
	places := make([]int, 0, len(s.jobs)) // from the newest, which is 0, to the oldest
	filter := firstOf(rq.query, "$filter")
	status, known := filterValue(filter, "JobStatus")
	if filter != "" && !known {
		return badFilter(filter)
	}
	for i := range s.jobs {
		if status == "" || strings.EqualFold(status, s.jobs[last-i].state(rq.now)) {
			places = append(places, i)
		}
	}
	return s.page(rq, s.id("replicationJobs"), list{
		n:     len(places),
		place: func(i int) int { return places[i] - last },
		view:  func(i int) object { return s.summary(s.jobs[last-places[i]], rq.now) },
	})
}

func (s *Server) getJob(rq *request) reply {
	j, found := s.jobByID(strings.ToLower(rq.params[0]))
	if !found {
		return rq.notFound(rq.params[0])
	}
	return ok(s.full(j, rq.now))
}

func (s *Server) postCancel(rq *request) reply {
	j, found := s.jobByID(strings.ToLower(rq.params[0]))
	if !found {
		return rq.notFound(rq.params[0])
	}
	if !j.cancellable() || j.cancelled || j.state(rq.now) != "InProgress" {
		return rq.serviceError(http.StatusConflict, fault{
			code: "OperationNotAllowed", message: "The job '" + j.id + "' cannot be cancelled in its current state.",
			causes: "The job has ended, is being cancelled, or does not allow it.", action: "Refresh the job and see its allowed actions.",
		})
	}
	return s.accepted(rq, s.cancel(j, rq.now), s.jobID(j))
}

func (s *Server) getStatus(rq *request) reply {
	op, found := s.operations[strings.ToLower(rq.params[0])]
	if !found {
		return rq.notFound(rq.params[0])
	}
	return ok(op.view(rq.now))
}

// getResult is what Location leads to: 202 while the operation runs, then its result.
func (s *Server) getResult(rq *request) reply {
	guid := rq.params[len(rq.params)-1]
	op, found := s.operations[strings.ToLower(guid)]
	if !found {
		return rq.notFound(guid)
	}
	switch status := op.status(rq.now); {
	case status == "InProgress":
		return s.accepted(rq, op, s.resultsOf(op))
	case status == "Failed":
		return rq.serviceError(http.StatusBadRequest, *op.job.fault)
	case op.cancel || status == "Canceled":
		return ok(s.full(op.job, rq.now))
	case op.job.vault:
		return s.getVaultHealth(rq)
	case op.job.plan != "":
		return s.planNamed(rq, op.job.plan)
	case op.job.machine == nil:
		return ok(s.providerView(op.job.fabric, rq.now))
	case op.job.machine.gone(rq.now):
		return reply{status: http.StatusNoContent}
	default:
		return ok(s.itemView(op.job.machine, rq.now))
	}
}

// resultsOf is the resource under which an operation's results lie.
func (s *Server) resultsOf(op *operation) string {
	switch {
	case op.cancel:
		return s.jobID(op.job)
	case op.job.vault:
		return s.id("replicationVaultHealth", "default")
	case op.job.plan != "":
		return s.id("replicationRecoveryPlans", op.job.plan)
	case op.job.machine == nil:
		return s.providerID(op.job.fabric)
	}
	return s.itemIDOf(op.job.machine, op.job.itemName)
}

func (s *Server) listFabrics(rq *request) reply {
	var all []object
	for _, f := range s.fabrics {
		if !s.unregistered(f) {
			all = append(all, s.listedFabric(f, rq.now))
		}
	}
	return s.page(rq, s.id("replicationFabrics"), views(all...))
}

func (s *Server) getFabric(rq *request) reply {
	f, found := s.fabricNamed(rq.params[0])
	if !found {
		return rq.notFound(rq.params[0])
	}
	return ok(s.fabricView(f, rq.now))
}

func (s *Server) listContainers(rq *request) reply {
	return s.perFabric(rq, "replicationProtectionContainers", func(f *fabric) []object { return []object{s.containerView(f)} })
}

func (s *Server) getContainer(rq *request) reply {
	f, found := s.container(rq)
	if !found {
		return rq.notFound(rq.params[1])
	}
	return ok(s.containerView(f))
}

func (s *Server) listMappings(rq *request) reply {
	if len(rq.params) == 2 {
		f, found := s.container(rq)
		if !found {
			return rq.notFound(rq.params[1])
		}
		return s.page(rq, s.containerID(f)+"/replicationProtectionContainerMappings", views(s.mappingViews(f)...))
	}
	return s.perFabric(rq, "replicationProtectionContainerMappings", s.mappingViews)
}

func (s *Server) getMapping(rq *request) reply {
	f, found := s.container(rq)
	if !found {
		return rq.notFound(rq.params[1])
	}
	return one(rq, rq.params[2], s.mappingViews(f))
}

func (s *Server) listPolicies(rq *request) reply {
	return s.perFabric(rq, "replicationPolicies", s.policyViews)
}

func (s *Server) getPolicy(rq *request) reply {
	var all []object
	for _, f := range s.fabrics {
		all = append(all, s.policyViews(f)...)
	}
	return one(rq, rq.params[0], all)
}

func (s *Server) vcenterViews(rq *request) func(*fabric) []object {
	return func(f *fabric) []object {
		if !f.classic {
			return nil // an appliance's vCenter belongs to its Microsoft.OffAzure site
		}
		return []object{s.vcenterView(f, rq.now)}
	}
}

func (s *Server) listVCenters(rq *request) reply {
	return s.perFabric(rq, "replicationvCenters", s.vcenterViews(rq))
}

func (s *Server) getVCenter(rq *request) reply {
	f, found := s.fabricNamed(rq.params[0])
	if !found {
		return rq.notFound(rq.params[0])
	}
	return one(rq, rq.params[1], s.vcenterViews(rq)(f))
}

func (s *Server) listProviders(rq *request) reply {
	return s.perFabric(rq, "replicationRecoveryServicesProviders", func(f *fabric) []object {
		return []object{s.providerView(f, rq.now)}
	})
}

func (s *Server) getProvider(rq *request) reply {
	f, found := s.provider(rq)
	if !found {
		return rq.notFound(rq.params[1])
	}
	return ok(s.providerView(f, rq.now))
}

func (s *Server) postRefresh(rq *request) reply {
	f, found := s.provider(rq)
	if !found {
		return rq.notFound(rq.params[1])
	}
	j := s.startRefresh(f, rq.now)
	return s.accepted(rq, s.operations[j.id], s.providerID(f))
}

func (s *Server) listPlans(rq *request) reply {
	var all []object
	for i := range s.sc.Plans {
		all = append(all, s.listedPlan(i, rq.now))
	}
	return s.page(rq, s.id("replicationRecoveryPlans"), views(all...))
}

func (s *Server) getPlan(rq *request) reply { return s.planNamed(rq, rq.params[0]) }

func (s *Server) planNamed(rq *request, name string) reply {
	for i, plan := range s.sc.Plans {
		if strings.EqualFold(plan.Name, name) {
			return ok(s.planView(i, rq.now))
		}
	}
	return rq.notFound(name)
}

// perFabric lists what each fabric has; of one fabric, when the path names one.
func (s *Server) perFabric(rq *request, collection string, of func(*fabric) []object) reply {
	if len(rq.params) == 1 {
		f, found := s.fabricNamed(rq.params[0])
		if !found {
			return rq.notFound(rq.params[0])
		}
		return s.page(rq, s.fabricID(f)+"/"+collection, views(of(f)...))
	}
	var all []object
	for _, f := range s.fabrics {
		all = append(all, of(f)...)
	}
	return s.page(rq, s.id(collection), views(all...))
}

func one(rq *request, name string, among []object) reply {
	for _, o := range among {
		if strings.EqualFold(o["name"].(string), name) {
			return ok(o)
		}
	}
	return rq.notFound(name)
}

func (s *Server) fabricNamed(name string) (*fabric, bool) {
	for _, f := range s.fabrics {
		if strings.EqualFold(f.name, name) && !s.unregistered(f) {
			return f, true
		}
	}
	return nil, false
}

// unregistered says whether a fabric's configuration server is gone from the vault.
func (s *Server) unregistered(f *fabric) bool {
	return f.classic && s.componentsOf(configurationServer)[0].unregistered
}

// container is the fabric whose container the path names.
func (s *Server) container(rq *request) (*fabric, bool) {
	f, found := s.fabricNamed(rq.params[0])
	return f, found && strings.EqualFold(f.container, rq.params[1])
}

func (s *Server) provider(rq *request) (*fabric, bool) {
	f, found := s.fabricNamed(rq.params[0])
	return f, found && strings.EqualFold(f.provider, rq.params[1])
}

func (s *Server) item(rq *request) (*machine, bool) {
	f, found := s.container(rq)
	if !found {
		return nil, false
	}
	return s.existing(f, rq.params[2], rq.now)
}
