package validator

import (
	"fmt"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// crowd is a vault with so many machines of two disks, every third of a replication group.
func crowd(machines int) (observed.Vault, events.Request) {
	v := observed.Vault{Fabrics: []observed.Fabric{
		{ID: "/rcm", Appliances: []observed.Appliance{
			{ID: "/a/blind", Name: "BLIND", Health: "Normal"}, {ID: "/a/one", Name: "ONE", Health: "Normal", Datastores: []string{"DS"}},
			{ID: "/a/two", Name: "TWO", Health: "Normal", Datastores: []string{"DS"}}, {ID: "/a/sick", Name: "SICK", Health: "Critical", Datastores: []string{"DS"}},
			{ID: "/a/part", Name: "PART", Health: "Normal", Datastores: []string{"DS"}, Parts: []observed.Component{{Kind: "proxy", Health: "Critical"}}}}},
		{ID: "/cs", MasterTargets: []observed.MasterTarget{
			{Name: "MT-WIN", OS: "windows"}, {Name: "MT-A", OS: "linux", DiskCount: 30}, {Name: "MT-B", OS: "linux"}}},
	}}
	r := events.Request{}
	for i := range machines {
		item := observed.Item{ID: fmt.Sprint("/i/", i), Name: fmt.Sprint("m", i), OS: "linux", Disks: make([]observed.ItemDisk, 2), Datastores: []string{"DS"}, Architecture: observed.Modernized, FabricID: "/rcm"}
		if i%2 == 1 {
			item.Architecture, item.FabricID = observed.Classic, "/cs"
		}
		if i%3 == 0 {
			item.GroupID, item.GroupName = "group-"+string(item.Architecture), "group"
		}
		v.Items = append(v.Items, item)
		r.Machines = append(r.Machines, events.RequestMachine{Name: item.Name})
	}
	return v, r
}

func TestMachinesOfARequestAreSpread(t *testing.T) {
	vault, request := crowd(60)
	_, cases, problems := Resolve("r1", request, acceptedAt, vault, Defaults{LogStorageAccount: "/log"})
	if problems != nil {
		t.Fatal(problems)
	}
	disks := map[string]int{}
	for id, c := range cases {
		of := map[string]bool{}
		for _, m := range c.Machines {
			disks[m.Appliance+m.MasterTarget] += 2
			of[m.Appliance+m.MasterTarget] = true
		}
		if len(of) != 1 {
			t.Errorf("the group %s goes to %v", id, of)
		}
	}
	if disks["BLIND"]+disks["SICK"]+disks["MT-WIN"] != 0 {
		t.Errorf("unfit ones were taken: %v", disks)
	}
	if disks["ONE"]+disks["TWO"] != 60 || disks["ONE"] < 20 || disks["TWO"] < 20 {
		t.Errorf("not spread over the appliances: %v", disks)
	}
	if disks["MT-A"]+disks["MT-B"] != 60 || disks["MT-A"] > 30 {
		t.Errorf("more than the first master target takes: %v", disks)
	}
}
