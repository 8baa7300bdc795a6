package faults

import "reprotect.example/services/facts"

// vCenter are codes of ours for what a vCenter says, and for what goes wrong on the way to it.
var vCenter = []Row{
	{Code: "vcenter.unreachable", Class: facts.Temporary, For: VCenter, Refs: []string{"S48"}},
	{Code: "vcenter.timeout", Class: facts.Temporary, For: VCenter},
	{Code: "vcenter.certificate", Class: facts.Operator, For: VCenter},
	{Code: "vcenter.login", Class: facts.Operator, For: VCenter, Refs: []string{"S4"}},
	{Code: "vcenter.permission", Class: facts.Operator, For: VCenter, Refs: []string{"S4", "S43", "N3"}, Reference: pageAccount},
	{Code: "vcenter.session", Class: facts.Temporary, For: VCenter},
	{Code: "vcenter.endpoint", Class: facts.Operator, For: VCenter},
	{Code: "vcenter.fault", Class: facts.Temporary, For: VCenter},
}
