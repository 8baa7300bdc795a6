package bus

// Difference is what a set-up does, or would do, to one entity of a bus that is not as it must be.
type Difference struct {
	Entity  string   `json:"entity"`            // as people call it: "stream REPROTECT"
	Missing bool     `json:"missing,omitempty"` // it is made
	Changes []string `json:"changes,omitempty"` // else: what of it is changed, each as "what: from -> to", or what alone
}
