package checks

import (
	"fmt"

	"reprotect.example/services/observed"
)

// A new check is a row of data and a pure function. In the product the row stands in one of the lists that Catalogue
// joins; then findings, 'reprotect checks', the preflight and the README's table have it, too.
func Example() {
	template := Check{
		Code: "machine.template", Level: Block, For: both, Refs: []string{"S36"},
		Title:     "The on-premises VM is no template.",
		Why:       "A template cannot take its disks back: vCenter lets nothing write to them.",
		Remedy:    "In vCenter, convert the template to a virtual machine, then check again.",
		Reference: pageReprotect,
		Judge: onVM(func(_ Subject, vm observed.VM) Verdict { // a VM that is gone or cannot be read never comes here
			if vm.Template {
				return fail("%s is a template.", vm.Path)
			}
			return pass("%s is a virtual machine.", vm.Path)
		}),
	}

	site := healthy() // what was observed of a vault and its vCenter, with the machines db01 and web01
	for i := range site.Inventory.VMs {
		site.Inventory.VMs[i].Template = site.Inventory.VMs[i].Name == "web01"
	}
	_, machines := subjects(site.Input)
	for _, machine := range machines {
		finding := template.find(machine)
		fmt.Printf("%s: %s, blocks: %t. %s\n", finding.Machine, finding.Status, finding.Blocks, finding.Evidence)
		if finding.Remedy != "" {
			fmt.Println("  do:", finding.Remedy)
		}
	}
	// Output:
	// db01: pass, blocks: false. /DC/vm/db01 is a virtual machine.
	// web01: fail, blocks: true. /DC/vm/web01 is a template.
	//   do: In vCenter, convert the template to a virtual machine, then check again.
}
