package checks

import (
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var retentionChecks = []Check{
	{
		Code: "retention-drive.present", Level: Block, For: classic, Refs: []string{"S14", "S25"},
		Title:     "The master target offers the retention drive that was chosen.",
		Fault:     "The master target does not offer the retention drive.",
		Why:       "Without a retention drive nothing can be selected for the reprotect.",
		Remedy:    "Add a disk to the master target and format it. It shows up to 15 minutes later; if it does not, refresh the configuration server in the vault (Configuration Servers > Refresh Server).",
		Reference: pagePrepare, Judge: with(theMasterTarget, judgeRetentionPresent),
	},
	{
		Code: "retention-drive.eligible", Level: Block, For: classic, Refs: []string{"S24"}, After: "retention-drive.present",
		Title:     "The retention drive has capacity, is not FAT, and is not the system volume.",
		Fault:     "The retention drive cannot be used.",
		Why:       "A retention drive must be a volume of its own: not FAT or FAT32, not empty of capacity, used for nothing else, and not the cache volume on which the master target is installed.",
		Remedy:    "Add a new disk to the master target, format it with NTFS or ext4, and choose it as the retention drive.",
		Reference: pagePrepare, Judge: with(theMasterTarget, judgeRetentionEligible),
	},
}

var policyChecks = []Check{
	{
		Code: "failback-policy.present", Level: Block, For: classic, Refs: []string{"S32"},
		Title:     "A failback policy is associated with the configuration server.",
		Fault:     "No failback policy is associated with the configuration server.",
		Why:       "The reprotect names the failback policy. It is made with the forward policy and belongs to the configuration server.",
		Remedy:    "In the vault, open Site Recovery Infrastructure > Replication Policies and associate a policy with the configuration server: its failback policy is made with it.",
		Reference: pagePrepare, Judge: with(theFabric, judgePolicy),
	},
}

func retentionVolume(s Subject, mt observed.MasterTarget) (observed.RetentionVolume, bool) {
	i := slices.IndexFunc(mt.RetentionVolumes, func(v observed.RetentionVolume) bool { return sameVolume(v.Name, s.Machine.RetentionDrive) })
	if i < 0 || s.Machine.RetentionDrive == "" {
		return observed.RetentionVolume{}, false
	}
	return mt.RetentionVolumes[i], true
}

// sameVolume compares a volume as people, Site Recovery and VMware Tools write it: R, R:, R:\ or /mnt/retention/.
func sameVolume(a, b string) bool { return volume(a) == volume(b) }

func volume(name string) string { return strings.TrimRight(strings.ToLower(name), `/\:`) }

func judgeRetentionPresent(s Subject, mt observed.MasterTarget) Verdict {
	if v, ok := retentionVolume(s, mt); ok {
		return pass("Master target %s offers %s with %s, of which %s are free.", mt.Name, v.Name, gb(v.CapacityBytes), gb(v.FreeBytes))
	}
	var offered []string
	for _, v := range mt.RetentionVolumes {
		offered = append(offered, v.Name)
	}
	switch {
	case s.Machine.RetentionDrive == "":
		return fail("No retention drive is chosen; master target %s offers %s.", mt.Name, orNothing(list(offered)))
	case len(offered) == 0:
		return fail("Master target %s offers no retention drive; %s is wanted.", mt.Name, s.Machine.RetentionDrive)
	}
	return fail("Master target %s does not offer %s as a retention drive, only %s.", mt.Name, s.Machine.RetentionDrive, list(offered)).
		remedy("Choose %s, or add the drive to the master target: it shows up to 15 minutes later, or after a refresh of the configuration server.", offered[0])
}

// judgeRetentionEligible sees what Site Recovery and VMware Tools tell. That a volume is the cache volume,
// locked, or written to by a replication cannot be seen; Site Recovery does not offer such a one.
func judgeRetentionEligible(s Subject, mt observed.MasterTarget) Verdict {
	v, ok := retentionVolume(s, mt)
	switch {
	case !ok:
		return unknown("Master target %s does not offer the retention drive %s, so nothing is known of it.", mt.Name, s.Machine.RetentionDrive)
	case v.CapacityBytes <= 0:
		return fail("The retention drive %s of master target %s has no capacity.", v.Name, mt.Name)
	case volume(v.Name) == "" || volume(v.Name) == "c":
		return fail("%s is the system volume of master target %s.", v.Name, mt.Name)
	case s.Writer.It == nil:
		return unknown("The file system of %s is not known: %s", v.Name, s.Writer.Why)
	}
	vm := *s.Writer.It
	if why := vm.Unread.Why("guest.disk"); why != "" {
		return unknown("The volumes of VM %s could not be read: %s.", vm.Name, why)
	}
	i := slices.IndexFunc(vm.GuestDisks, func(d observed.GuestDisk) bool { return sameVolume(d.Path, v.Name) })
	if i < 0 || vm.GuestDisks[i].FileSystem == "" {
		return unknown("VMware Tools on VM %s do not tell the file system of %s.", vm.Name, v.Name)
	}
	system := vm.GuestDisks[i].FileSystem
	if strings.HasPrefix(strings.ToLower(system), "fat") || strings.EqualFold(system, "vfat") || strings.EqualFold(system, "msdos") {
		return fail("The retention drive %s of VM %s has the file system %s.", v.Name, vm.Name, system)
	}
	return pass("The retention drive %s of VM %s has %s and the file system %s.", v.Name, vm.Name, gb(v.CapacityBytes), system)
}

func judgePolicy(s Subject, cs observed.Fabric) Verdict {
	for _, part := range []string{"mappings", "policies"} {
		if why := s.Vault.Unread[part]; why != "" {
			return unknown("The replication policies of the vault could not be read (%s): %s.", part, why)
		}
	}
	if p, ok := s.Vault.FailbackPolicy(cs.ID); ok {
		return pass("Failback policy %s is associated with configuration server %s.", p.Name, cs.Name)
	}
	return fail("No failback policy is associated with configuration server %s.", cs.Name)
}
