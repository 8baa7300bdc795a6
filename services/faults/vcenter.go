package faults

import "reprotect.example/services/observed"

// vCenter are codes of ours for what a vCenter says, and for what goes wrong on the way to it.
var vCenter = []Row{
	{Code: "vcenter.unreachable", Class: observed.Temporary, For: VCenter, Refs: []string{"S48"}},
	{Code: "vcenter.timeout", Class: observed.Temporary, For: VCenter},
	{Code: "vcenter.certificate", Class: observed.Operator, For: VCenter},
	{Code: "vcenter.login", Class: observed.Operator, For: VCenter, Refs: []string{"S4"}},
	{Code: "vcenter.permission", Class: observed.Operator, For: VCenter, Refs: []string{"S4", "S43", "N3"}, Reference: pageAccount},
	{Code: "vcenter.session", Class: observed.Temporary, For: VCenter},
	{Code: "vcenter.endpoint", Class: observed.Operator, For: VCenter},
	{Code: "vcenter.fault", Class: observed.Temporary, For: VCenter},
}
