package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/executor"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/guard"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/preflight"
	"reprotect.example/services/readiness"
	"reprotect.example/services/validator"
)

// site is a site with its clients, from which each service takes what it needs.
type site struct {
	config    config.Site
	vault     vault
	vcenter   *vsphere.Client
	inventory *vsphere.Shared
	watched   *vsphere.Client // the same vCenter, in a session of the guard's own
	elsewhere bool            // another process serves it
}

// openSites makes the clients; nothing is asked yet. Served restricts the sites; empty: all.
func openSites(c config.Config, served []string, log *zap.Logger) (map[string]site, error) {
	if err := c.CheckSecrets(); err != nil {
		return nil, err
	}
	credential, err := asr.Credential(c.Azure.TokenFile, c.Azure.Cloud)
	if err != nil {
		return nil, err
	}
	sites := map[string]site{}
	throttles := map[string]*asr.Throttle{} // by subscription
	for name, sc := range c.Sites {
		subscription := strings.ToLower(sc.Vault.Subscription)
		if throttles[subscription] == nil {
			throttles[subscription] = asr.NewThrottle(nil)
		}
		s := site{config: sc, elsewhere: len(served) > 0 && !slices.Contains(served, name)}
		client, err := asr.New(asr.Options{
			Subscription: sc.Vault.Subscription, ResourceGroup: sc.Vault.ResourceGroup, Vault: sc.Vault.Name,
			Credential: credential, Endpoint: c.Azure.Endpoint, Cloud: c.Azure.Cloud, CAFile: c.Azure.CAFile,
			Look: sc.Limits.Look, Throttle: throttles[subscription], Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("site %s: %w", name, err)
		}
		if s.vault, err = watchVault(client, sc); err != nil {
			return nil, fmt.Errorf("site %s: %w", name, err)
		}
		password, err := c.VCenterPassword(name)
		if err != nil {
			return nil, err
		}
		for _, client := range []**vsphere.Client{&s.vcenter, &s.watched} {
			*client, err = vsphere.New(vsphere.Options{
				URL: sc.VCenter.URL, Username: sc.VCenter.Username, Password: password,
				Thumbprint: sc.VCenter.Thumbprint, CAFile: sc.VCenter.CAFile, Proxy: sc.VCenter.Proxy, Log: log,
			})
			if err != nil {
				return nil, fmt.Errorf("site %s: %w", name, err)
			}
		}
		s.inventory = vsphere.Share(s.vcenter)
		sites[name] = s
	}
	if len(sites) == 0 {
		return nil, errors.New("the config has no site")
	}
	return sites, nil
}

func closeSites(sites map[string]site) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range sites {
		s.vcenter.Close(ctx)
		s.watched.Close(ctx)
	}
}

func (s site) checks() checks.Site {
	return checks.Site{
		Strict: s.config.Strict, NetworkPath: s.config.Network.Path, VCenterURL: s.config.VCenter.URL,
		ConfigurationServerAddress: s.config.ConfigurationServerAddress, Probes: len(s.config.Network.Probes),
	}
}

func (s site) defaults() validator.Defaults {
	d := s.config.Defaults
	return validator.Defaults{
		MasterTarget:  map[string]string{"windows": d.MasterTarget.Windows, "linux": d.MasterTarget.Linux},
		ProcessServer: d.ProcessServer, Appliance: d.Appliance, Datastore: d.Datastore,
		RetentionDrive:    map[string]string{"windows": d.RetentionDrive.Windows, "linux": d.RetentionDrive.Linux},
		LogStorageAccount: d.LogStorageAccount, Fabric: s.config.Fabric,
	}
}

func (s site) preflight() preflight.Site {
	return preflight.Site{
		Name: s.config.Name, Fabric: s.config.Fabric, Vault: s.vault, VCenter: s.vcenter, Checks: s.checks(), Defaults: s.defaults(),
	}
}

func (s site) ready() readiness.Reader {
	return readiness.Reader{Azure: s.vault, Inventory: s.inventory, Strict: s.config.Strict, Now: time.Now}
}

func (s site) validator() validator.Site {
	return validator.Site{
		Vault: s.vault, Inventory: s.inventory, Ready: s.ready(), Checks: s.checks(), Defaults: s.defaults(),
		Look: s.config.Limits.Look, RetentionWait: min(15*time.Minute, s.config.Limits.AgentWait), Elsewhere: s.elsewhere,
	}
}

func (s site) datastore() datastore.Site {
	return datastore.Site{Vault: s.vault.Client, Inventory: s.inventory, Look: s.config.Limits.Look}
}

func (s site) agentwatcher() agentwatcher.Site {
	return agentwatcher.Site{Vault: s.vault.Client, AgentWait: s.config.Limits.AgentWait, Look: s.config.Limits.Look}
}

// seldom is how many looks what the executor needs beside the vault may be old: it follows replications for
// hours, and checks again only before it submits.
const seldom = 10

func (s site) executor() executor.Site {
	v := s.config.Vault
	return executor.Site{
		VaultID: strings.Join([]string{v.Subscription, v.ResourceGroup, v.Name}, "/"),
		Vault:   s.vault.within(seldom * s.config.Limits.Look), Inventory: s.inventory, Checks: s.checks(),
		Limits: admission.Limits{StartsPerMinute: s.config.Limits.StartsPerMinute, Concurrent: s.config.Limits.Concurrent},
		Look:   s.config.Limits.Look, AgentWait: s.config.Limits.AgentWait, JobWait: s.config.Limits.JobWait,
		Home: s.vault.within(seldom * s.config.Limits.Look), RunAsAccount: s.config.Defaults.RunAsAccount.For, Recheck: s.ready().Check,
	}
}

func (s site) guard() guard.Site {
	return guard.Site{
		Vault: s.vault.Client, Inventory: s.inventory, Watch: s.watched.Watch(), Azure: s.vault.vms, Look: s.config.Limits.Look, JobWait: s.config.Limits.JobWait,
	}
}
