package app

import (
	"context"
	"slices"
	"time"

	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/azurevm"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/looks"
	"reprotect.example/services/observed"
)

// vault is a site's vault whose looks also tell what else the checks judge: the Azure VMs, and whether the ports
// are open that the config names. All copies share what was observed.
type vault struct {
	*asr.Client
	age time.Duration // how old what is beside the vault may be
	vms *azurevm.Client

	azure  *looks.Shared[observed.Vault, observed.AzureVMs]
	probes *looks.Shared[struct{}, []observed.Probe]
	fitted *fitted
	config config.Site
}

// fitted is the look at the vault that the last look at the Azure VMs was last seen to fit.
type fitted struct{ vault, vms time.Time }

func watchVault(client *asr.Client, sc config.Site) (vault, error) {
	vms, err := azurevm.New(client)
	return vault{
		client, sc.Limits.Look, vms,
		looks.New(time.Now, func(ctx context.Context, vaults []observed.Vault) (observed.AzureVMs, error) {
			return vms.Look(ctx, newest(vaults).Items, time.Now), ctx.Err() // one that was broken off has seen nothing
		}),
		looks.New(time.Now, func(ctx context.Context, _ []struct{}) ([]observed.Probe, error) {
			return probe(ctx, sc.Network.Probes), ctx.Err()
		}),
		&fitted{}, sc,
	}, err
}

func newest(vaults []observed.Vault) observed.Vault {
	return slices.MaxFunc(vaults, func(a, b observed.Vault) int { return a.Taken.Compare(b.Taken) })
}

// within is the vault for one who looks often: what is beside the vault may be that old.
func (v vault) within(age time.Duration) vault {
	v.age = age
	return v
}

// Vault is a look at the vault with what is beside it. What cannot be observed is no error: it stands in the
// look. With maxAge 0 everything is observed anew.
func (v vault) Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error) {
	look, err := v.Client.Vault(ctx, maxAge, full...)
	if err != nil {
		return look, err
	}
	if maxAge > 0 {
		maxAge = max(maxAge, v.age)
	}
	if look.AzureVMs, err = v.azure.Get(ctx, look, maxAge, func(vms observed.AzureVMs) bool { return v.fitted.fits(vms, look) }); err != nil {
		return look, err
	}
	look.Probes, err = v.probes.Get(ctx, struct{}{}, maxAge, nil)
	return look.WithVMPaths(v.config.MasterTargets, v.config.Appliances), err
}

// AzureVMsNamed finds VMs in Azure by their names, where no item names them.
func (v vault) AzureVMsNamed(ctx context.Context, names []string) ([]observed.AzureVM, error) {
	return v.vms.Named(ctx, names)
}

// fits says whether a look at the Azure VMs serves a look at the vault. It is asked by one caller at a time, and by each
// case that looks, so it keeps what it has found.
func (f *fitted) fits(vms observed.AzureVMs, look observed.Vault) bool {
	now := fitted{look.Taken, vms.Taken}
	if *f != now && azurevm.Covers(vms, look.Items) {
		*f = now
	}
	return *f == now
}
