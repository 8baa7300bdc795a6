package observed

// Probe is an attempt to connect to an address that the components of a site must reach (S18, S47). It is made
// from where the product runs, not from the component.
type Probe struct {
	Name, Address string
	Failure       string // why no connection came about; "" when one did
	Unclear       bool   // the failure is one of this machine and says nothing of the address
}
