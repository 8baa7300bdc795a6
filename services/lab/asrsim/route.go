package asrsim

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// request is what a handler sees. params are the names in the path, in its order.
type request struct {
	id, clientRequestID string
	base                string // scheme and host under which the caller came
	params              []string
	query               url.Values
	body                []byte
	now                 time.Time
}

// route is a resource of the vault. Path segments match without regard to case, "*" matches any name.
type route struct {
	method, path, kind string
	handle             func(*Server, *request) reply
}

const (
	fabricPath    = "replicationFabrics/*"
	containerPath = fabricPath + "/replicationProtectionContainers/*"
	itemPath      = containerPath + "/replicationProtectedItems/*"
	providerPath  = fabricPath + "/replicationRecoveryServicesProviders/*"
)

var routes = []route{
	{"GET", "", "vault", (*Server).getVault},
	{"GET", "replicationProtectedItems", "items", (*Server).listItems},
	{"GET", containerPath + "/replicationProtectedItems", "items", (*Server).listContainerItems},
	{"GET", itemPath, "item", (*Server).getItem},
	{"POST", itemPath + "/reProtect", "reprotect", (*Server).postReprotect},
	{"POST", itemPath + "/plannedFailover", "failback", (*Server).postPlanned},
	{"POST", itemPath + "/unplannedFailover", "failback", (*Server).postUnplanned},
	{"POST", itemPath + "/failoverCommit", "commit", (*Server).postCommit},
	{"POST", itemPath + "/failoverCancel", "undo", (*Server).postUndo},
	{"POST", itemPath + "/repairReplication", "resync", (*Server).postResync},
	{"POST", itemPath + "/resolveHealthErrors", "resolve", (*Server).postResolve},
	{"POST", itemPath + "/updateAppliance", "updateappliance", (*Server).postUpdateAppliance},
	{"POST", itemPath + "/remove", "remove", (*Server).postRemove},
	{"DELETE", itemPath, "remove", (*Server).postRemove},
	{"GET", itemPath + "/recoveryPoints", "recoverypoints", (*Server).listRecoveryPoints},
	{"GET", itemPath + "/recoveryPoints/*", "recoverypoint", (*Server).getRecoveryPoint},
	{"GET", itemPath + "/operationresults/*", "result", (*Server).getResult},
	{"GET", "replicationJobs", "jobs", (*Server).listJobs},
	{"GET", "replicationJobs/*", "job", (*Server).getJob},
	{"POST", "replicationJobs/*/cancel", "cancel", (*Server).postCancel},
	{"GET", "replicationJobs/*/operationresults/*", "result", (*Server).getResult},
	{"GET", "replicationOperationStatus/*", "status", (*Server).getStatus},
	{"GET", "replicationFabrics", "fabrics", (*Server).listFabrics},
	{"GET", fabricPath, "fabric", (*Server).getFabric},
	{"GET", "replicationProtectionContainers", "containers", (*Server).listContainers},
	{"GET", fabricPath + "/replicationProtectionContainers", "containers", (*Server).listContainers},
	{"GET", containerPath, "container", (*Server).getContainer},
	{"GET", "replicationProtectionContainerMappings", "mappings", (*Server).listMappings},
	{"GET", containerPath + "/replicationProtectionContainerMappings", "mappings", (*Server).listMappings},
	{"GET", containerPath + "/replicationProtectionContainerMappings/*", "mapping", (*Server).getMapping},
	{"GET", "replicationPolicies", "policies", (*Server).listPolicies},
	{"GET", "replicationPolicies/*", "policy", (*Server).getPolicy},
	{"GET", "replicationvCenters", "vcenters", (*Server).listVCenters},
	{"GET", fabricPath + "/replicationvCenters", "vcenters", (*Server).listVCenters},
	{"GET", fabricPath + "/replicationvCenters/*", "vcenter", (*Server).getVCenter},
	{"GET", "replicationRecoveryServicesProviders", "providers", (*Server).listProviders},
	{"GET", fabricPath + "/replicationRecoveryServicesProviders", "providers", (*Server).listProviders},
	{"GET", providerPath, "provider", (*Server).getProvider},
	{"POST", providerPath + "/refreshProvider", "refresh", (*Server).postRefresh},
	{"GET", providerPath + "/operationresults/*", "result", (*Server).getResult},
	{"GET", "replicationVaultHealth", "health", (*Server).getVaultHealth},
	{"POST", "replicationVaultHealth/default/refresh", "refreshhealth", (*Server).refreshVaultHealth},
	{"GET", "replicationVaultHealth/default/operationresults/*", "result", (*Server).getResult},
	{"GET", "replicationEvents", "events", (*Server).listEvents},
	{"GET", "replicationEvents/*", "event", (*Server).getEvent},
	{"GET", "replicationAppliances", "appliances", (*Server).listAppliances},
	{"GET", "replicationRecoveryPlans", "plans", (*Server).listPlans},
	{"GET", "replicationRecoveryPlans/*", "plan", (*Server).getPlan},
	{"POST", "replicationRecoveryPlans/*/plannedFailover", "failback", postPlanFailback(false)},
	{"POST", "replicationRecoveryPlans/*/unplannedFailover", "failback", postPlanFailback(true)},
	{"POST", "replicationRecoveryPlans/*/failoverCommit", "commit", (*Server).postPlanCommit},
	{"POST", "replicationRecoveryPlans/*/failoverCancel", "undo", (*Server).postPlanUndo},
	{"POST", "replicationRecoveryPlans/*/reProtect", "reprotect", (*Server).postPlanReprotect},
	{"GET", "replicationRecoveryPlans/*/operationresults/*", "result", (*Server).getResult},
}

// maxBody is far more than any request of this API needs.
const maxBody = 1 << 20

// Handler serves the vault. TLS is the caller's affair; the links in answers use the scheme and host of the
// request.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			armError(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The request content is larger than 1 MB or broke off.").write(w)
			return
		}
		s.answer(r, body).write(w)
	})
}

func (s *Server) answer(r *http.Request, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	rq := &request{
		base: "https://" + r.Host, query: r.URL.Query(), body: body, now: s.now(),
		clientRequestID: r.Header.Get("x-ms-client-request-id"),
	}
	if r.TLS == nil {
		rq.base = "http://" + r.Host
	}
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	remaining := "x-ms-ratelimit-remaining-subscription-reads"
	if read {
		s.reads++
	} else {
		s.writes++
		remaining = "x-ms-ratelimit-remaining-subscription-writes"
	}
	rq.id = s.sc.UUID("arm-request", fmt.Sprint(s.reads+s.writes))

	rp, turnedAway := s.gate.admit(s, r, rq, read)
	if !turnedAway {
		rp = s.dispatch(r, rq)
	}
	if _, set := rp.header["x-ms-request-id"]; !set {
		rp = rp.with("x-ms-request-id", rq.id)
	}
	if rp.status < 300 {
		rp = rp.with(remaining, "1199")
	}
	return rp.with("x-ms-correlation-request-id", rq.id)
}

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-preview)?$`)

// dispatch finds the handler the way ARM does: api-version, subscription, resource group, vault, resource.
func (s *Server) dispatch(r *http.Request, rq *request) reply {
	version := rq.query.Get("api-version")
	switch {
	case version == "":
		return armError(http.StatusBadRequest, "MissingApiVersionParameter",
			"The api-version query parameter (?api-version=) is required for all requests.")
	case !apiVersion.MatchString(version):
		return armError(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '"+version+"' is invalid.")
	}
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodPost && match(split("providers/Microsoft.ResourceGraph/resources"), segments, nil) {
		return s.resourceGraph(rq)
	}
	if len(segments) < 7 || !match(split("subscriptions/*/resourceGroups/*/providers/*"), segments[:6], nil) {
		s.counts["unknown"]++
		return armError(http.StatusNotFound, "InvalidResourceType", "No resource of that path is known: "+r.URL.Path)
	}
	if !strings.EqualFold(segments[1], s.sc.Subscription) {
		return armError(http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+segments[1]+"' could not be found.")
	}
	if match([]string{"Microsoft.Compute", "virtualMachines"}, segments[5:7], nil) {
		return s.compute(rq, r.Method, segments[3], segments[7:])
	}
	if match([]string{"Microsoft.OffAzure", "VMwareSites"}, segments[5:7], nil) {
		return s.offAzure(r.Method, "/"+strings.Join(segments, "/"))
	}
	if len(segments) == 8 && match([]string{"Microsoft.Storage", "storageAccounts"}, segments[5:7], nil) {
		return s.storageAccount(r.Method, "/"+strings.Join(segments, "/"))
	}
	if !strings.EqualFold(segments[3], s.sc.ResourceGroup) {
		return armError(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+segments[3]+"' could not be found.")
	}
	if len(segments) < 8 || !match([]string{"Microsoft.RecoveryServices", "vaults"}, segments[5:7], nil) {
		s.counts["unknown"]++
		return armError(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '"+segments[5]+"' is invalid.")
	}
	if !strings.EqualFold(segments[7], s.sc.Vault) {
		return armError(http.StatusNotFound, "ResourceNotFound", fmt.Sprintf(
			"The Resource 'Microsoft.RecoveryServices/vaults/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
			segments[7], segments[3]))
	}
	return s.inVault(r.Method, segments[8:], rq)
}

// apiVersions are those of Site Recovery that Azure publishes descriptions of.
var apiVersions = []string{
	"2016-08-10", "2018-01-10", "2018-07-10", "2021-02-10", "2021-03-01", "2021-04-01", "2021-06-01", "2021-07-01", "2021-08-01",
	"2021-10-01", "2021-11-01", "2021-12-01", "2022-01-01", "2022-02-01", "2022-03-01", "2022-04-01", "2022-05-01", "2022-08-01",
	"2022-09-10", "2022-10-01", "2023-01-01", "2023-02-01", "2023-04-01", "2023-06-01", "2023-08-01", "2024-01-01", "2024-02-01",
	"2024-04-01", "2024-10-01", "2025-01-01", "2025-02-01", "2025-08-01",
}

func (s *Server) inVault(method string, segments []string, rq *request) reply {
	if version := rq.query.Get("api-version"); !slices.Contains(apiVersions, version) {
		return armError(http.StatusBadRequest, "NoRegisteredProviderFound", fmt.Sprintf(
			"No registered resource provider found for location '%s' and API version '%s' for type 'vaults'. The supported api-versions are '%s'.",
			azureLocation, version, strings.Join(apiVersions, ", ")))
	}
	var allowed []string
	for _, rt := range routes {
		var params []string
		if !match(split(rt.path), segments, &params) {
			continue
		}
		if rt.method != method {
			allowed = append(allowed, rt.method)
			continue
		}
		s.counts[rt.kind]++
		if s.refused[rt.kind] {
			return s.notAuthorized("Microsoft.RecoveryServices/vaults/"+rt.kind+"/read", "resourceGroups/"+s.sc.ResourceGroup)
		}
		rq.params = params
		return rt.handle(s, rq)
	}
	s.counts["unknown"]++
	if len(allowed) > 0 {
		return armError(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"The resource does not support the method '"+method+"'.").with("Allow", strings.Join(allowed, ", "))
	}
	return armError(http.StatusNotFound, "InvalidResourceType", fmt.Sprintf(
		"The resource type 'vaults/%s' could not be found in the namespace 'Microsoft.RecoveryServices' for api version '%s'.",
		strings.Join(segments, "/"), rq.query.Get("api-version")))
}

func split(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match compares a pattern with a path and collects what stands for "*".
func match(pattern, segments []string, params *[]string) bool {
	if len(pattern) != len(segments) {
		return false
	}
	for i, p := range pattern {
		if p == "*" {
			if params != nil {
				*params = append(*params, segments[i])
			}
		} else if !strings.EqualFold(p, segments[i]) {
			return false
		}
	}
	return true
}

// sameToken compares without telling by its time how much was right.
func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
