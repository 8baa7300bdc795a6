package vcenter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Action changes the running vCenter.
type Action struct {
	Name string // what one types
	Args string // one word each: NAME is free, a|b is a choice
	Help string
	Do   func(args []string) error
}

// Actions lists what can be changed while the lab runs: each makes a check of the procedure fail, or pass
// again. Do checks its arguments; its errors say what is wrong with them.
func (srv *Server) Actions() []Action {
	ctx := context.Background()
	actions := []Action{
		{"add-snapshot", "VM NAME", "take a snapshot; the disks become delta disks (S5, S30)", func(a []string) error { return srv.addSnapshot(ctx, a[0], a[1]) }},
		{"remove-snapshot", "VM", "remove all snapshots", func(a []string) error { return srv.removeSnapshots(ctx, a[0]) }},
		{"set-consolidation", "VM true|false", "say that disks need consolidation (S30)", func(a []string) error { return srv.setVM(a[0], "runtime.consolidationNeeded", a[1] == "true") }},
		{"power-on", "VM", "switch on (S39)", func(a []string) error { return srv.power(ctx, a[0], true) }},
		{"power-off", "VM", "switch off", func(a []string) error { return srv.power(ctx, a[0], false) }},
		{"relocate", "VM DATASTORE", "move it to another datastore: Storage vMotion (S13, S23, M5)", func(a []string) error { return srv.relocate(ctx, a[0], a[1]) }},
		{"delete-vm", "VM", "delete from disk: alternate location (S22, S35)", func(a []string) error { return srv.deleteVM(ctx, a[0]) }},
		{"set-tools", "VM running|stopped|missing", "state of VMware Tools (S27)", func(a []string) error { return srv.setTools(a[0], a[1]) }},
		{"set-controller", "VM lsilogic|lsisas|pvscsi", "kind of the SCSI controllers (S31)", func(a []string) error { return srv.setController(a[0], a[1]) }},
		{"set-enable-uuid", "VM TRUE|FALSE|none", "disk.EnableUUID (S12, S28)", func(a []string) error { return srv.setEnableUUID(a[0], a[1]) }},
		{"set-bios-uuid", "VM UUID", "as clones of one template share it (S42)", func(a []string) error { return srv.setVM(a[0], "config.uuid", a[1]) }},
		{"set-instance-uuid", "VM UUID", "as clones of one template share it (S42)", func(a []string) error { return srv.setVM(a[0], "config.instanceUuid", a[1]) }},
		{"set-disk-uuid", "VM DISK UUID", "of the disk of that number, from 0 (S42)", func(a []string) error { return srv.setDiskUUID(a[0], a[1], a[2]) }},
		{"make-rdm", "VM DISK", "make the disk of that number, from 0, a raw device mapping (N2)", func(a []string) error { return srv.makeRDM(a[0], a[1]) }},
		{"set-volume", "VM PATH FILESYSTEM FREEGB", "a volume as Tools report it; FILESYSTEM none removes it (S24)", func(a []string) error { return srv.setVolume(a[0], a[1], a[2], a[3]) }},
		{"datastore-type", "DATASTORE TYPE", "VMFS, vsan, NFS, NFS41, VVOL … (S20, S29)", func(a []string) error { return srv.setDatastore(a[0], "summary.type", a[1]) }},
		{"datastore-space", "DATASTORE FREEGB", "free space (S34)", func(a []string) error { return srv.setSpace(a[0], a[1]) }},
		{"datastore-accessible", "DATASTORE true|false", "lose all paths, or find them again (S21)", func(a []string) error { return srv.setAccessible(a[0], a[1] == "true") }},
		{"datastore-maintenance", "DATASTORE normal|inMaintenance", "maintenance mode", func(a []string) error { return srv.setDatastore(a[0], "summary.maintenanceMode", a[1]) }},
		{"mount", "DATASTORE HOST rw|ro|none", "how the host mounts it (S21, S36)", func(a []string) error { return srv.mount(a[0], a[1], a[2]) }},
		{"disconnect-host", "HOST", "lose the host and what runs on it", func(a []string) error { return srv.connectHost(a[0], false) }},
		{"connect-host", "HOST", "find it again", func(a []string) error { return srv.connectHost(a[0], true) }},
		{"set-licence", "HOST full|free", "edition of the host (S46)", func(a []string) error { return srv.setEdition(a[0], a[1]) }},
		{"revoke-privilege", "PRIVILEGE", "take it from every account (S43, N3)", func(a []string) error { return srv.revoke(a[0], true) }},
		{"grant-privilege", "PRIVILEGE", "give it back", func(a []string) error { return srv.revoke(a[0], false) }},
		{"hide-property", "NAME PATH", "make a property of a machine, host, datastore or datastore cluster unreadable", func(a []string) error { return srv.hide(a[0], a[1]) }},
		{"show-properties", "NAME", "make all its properties readable again", func(a []string) error { return srv.show(a[0]) }},
		{"expire-sessions", "", "end every session, as an idle timeout does", func([]string) error { return srv.expireSessions(ctx) }},
	}
	actions = append(actions, srv.movesActions(ctx)...)
	actions = append(actions, srv.meanActions(ctx)...)
	for i, action := range actions {
		actions[i].Do = func(args []string) error {
			if err := action.check(args); err != nil {
				return err
			}
			if err := action.Do(args); err != nil {
				return fmt.Errorf("%s %s: %w", action.Name, strings.Join(args, " "), err)
			}
			return nil
		}
	}
	return actions
}

// check compares arguments with what Args announces.
func (a Action) check(args []string) error {
	usage := fmt.Errorf("usage: %s", strings.TrimSpace(a.Name+" "+a.Args))
	words := strings.Fields(a.Args)
	if len(args) != len(words) {
		return usage
	}
	for i, word := range words {
		if choices := strings.Split(word, "|"); len(choices) > 1 && !slices.Contains(choices, args[i]) {
			return fmt.Errorf("%q is not one of %s: %w", args[i], word, usage)
		}
	}
	return nil
}

// gigabytes parses a size.
func gigabytes(s string) (int64, error) {
	gb, err := strconv.ParseInt(s, 10, 64)
	if err != nil || gb < 0 {
		return 0, fmt.Errorf("%q is not a whole number of gigabytes", s)
	}
	return gb * gib, nil
}
