package events

// MostTogether is how many machines one case may hold. A replication group has 16 at most in Azure.
const MostTogether = 100

// Request asks for machines to be reprotected. Machines or Plan is required; everything else has a default
// from the site's config. A machine's own values beat those of the request, those beat the site's.
type Request struct {
	Site     string           `json:"site,omitempty"`
	Machines []RequestMachine `json:"machines,omitempty"`
	Plan     string           `json:"plan,omitempty"`     // a recovery plan, expanded into its members (S37)
	Together bool             `json:"together,omitempty"` // one case: nothing starts before all may start
	Choice
	DryRun      bool              `json:"dryRun,omitempty"` // every step up to the submission, changing nothing
	Reason      string            `json:"reason,omitempty"`
	RequestedBy string            `json:"requestedBy,omitempty"`
	Attest      map[string]string `json:"attest,omitempty"` // check code -> what a person vouches for
	Waive       map[string]string `json:"waive,omitempty"`  // check code -> why it may be passed over
}

// RequestMachine names a machine by its name in Site Recovery (or its ARM id).
type RequestMachine struct {
	Name string `json:"name"`
	Choice
}

// Choice is what can be chosen for a machine, a request or a site (S34, M2). Empty means: take the default.
type Choice struct {
	MasterTarget      string `json:"masterTarget,omitempty"`
	ProcessServer     string `json:"processServer,omitempty"`
	Appliance         string `json:"appliance,omitempty"`
	Datastore         string `json:"datastore,omitempty"` // a name, or "auto"
	RetentionDrive    string `json:"retentionDrive,omitempty"`
	LogStorageAccount string `json:"logStorageAccount,omitempty"`
}

// Or fills what c leaves out from d.
func (c Choice) Or(d Choice) Choice {
	first := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	return Choice{
		MasterTarget:      first(c.MasterTarget, d.MasterTarget),
		ProcessServer:     first(c.ProcessServer, d.ProcessServer),
		Appliance:         first(c.Appliance, d.Appliance),
		Datastore:         first(c.Datastore, d.Datastore),
		RetentionDrive:    first(c.RetentionDrive, d.RetentionDrive),
		LogStorageAccount: first(c.LogStorageAccount, d.LogStorageAccount),
	}
}

// Cancel asks for a case to be ended.
type Cancel struct {
	Case        string `json:"case"`
	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Retry asks for a new case that takes up what a failed one left, or for another try of one that waits for an operator.
type Retry struct {
	Case        string `json:"case"`
	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Acknowledge says that a person has seen to an alarm that does not end by itself.
type Acknowledge struct {
	Alarm       string `json:"alarm"` // id of the event violated
	Reason      string `json:"reason"`
	RequestedBy string `json:"requestedBy,omitempty"`
}
