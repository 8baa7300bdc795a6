package main

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/build"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/cli/azurebus"
	"reprotect.example/services/internal/cli/jetbus"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/preflight"
)

// world is what the commands reach: the bus, the vaults and the vCenters of the config.
func world() cli.Deps {
	return cli.Deps{
		Build: build.Read(),
		Settings: func(cfgPath string) (cli.Settings, error) {
			c, err := load(cfgPath)
			return cli.Settings{Sites: c.SiteNames(), RequestedBy: c.RequestedBy}, err
		},
		Open: func(ctx context.Context, cfgPath string) (cli.Bus, error) {
			c, err := load(cfgPath)
			if err != nil {
				return nil, err
			}
			return openBus(ctx, c)
		},
		Topology: func(cfgPath string, sites []string) (cli.Topology, error) {
			c, err := load(cfgPath)
			if err != nil {
				return cli.Topology{}, err
			}
			groups, err := app.ParseSiteGroups(sites, c)
			if err != nil {
				return cli.Topology{}, cli.Usage(err)
			}
			if app.OnServiceBus(c) {
				return azurebus.Topology(app.AzureTopology(groups...)), nil
			}
			return jetbus.Topology(app.NATSTopology(c, groups...)), nil
		},
		Preflight: func(ctx context.Context, cfgPath string, ask preflight.Ask) (preflight.Report, error) {
			c, err := load(cfgPath)
			if err != nil {
				return preflight.Report{}, err
			}
			return app.Preflight(ctx, c, ask, zap.NewNop())
		},
		Ready: func(ctx context.Context, cfgPath, site string) ([]preflight.Readiness, error) {
			c, err := load(cfgPath)
			if err != nil {
				return nil, err
			}
			return app.Ready(ctx, c, site, zap.NewNop())
		},
		Datastores: func(ctx context.Context, cfgPath, site, machine string) (events.Placement, error) {
			c, err := load(cfgPath)
			if err != nil {
				return events.Placement{}, err
			}
			return app.Datastores(ctx, c, site, machine, zap.NewNop())
		},
		Checks:        catalogue,
		VerifyJournal: app.VerifyJournal,
		Channels: func(cfgPath string) ([]string, error) {
			c, err := load(cfgPath)
			if err != nil {
				return nil, err
			}
			return app.ChannelNames(c), nil
		},
		TestChannel: func(ctx context.Context, cfgPath, name string) error {
			c, err := load(cfgPath)
			if err != nil {
				return err
			}
			return app.TestChannel(ctx, c, name)
		},
		Checkpoint: func(ctx context.Context, cfgPath string) ([]byte, error) {
			c, err := load(cfgPath)
			if err != nil {
				return nil, err
			}
			client, err := app.JournalClient(c)
			if err != nil {
				return nil, err
			}
			defer client.Close()
			text, err := client.Checkpoint(ctx)
			var refused *journalclient.Problem
			if errors.As(err, &refused) && refused.Code == "checkpoint.unsigned" {
				return nil, cli.Usage(err)
			}
			return text, err
		},
		Errors: knownErrors,
	}
}

// openBus connects to the bus of a config.
func openBus(ctx context.Context, c config.Config) (cli.Bus, error) {
	b, err := app.OpenBus(ctx, c, "reprotect", false, zap.NewNop())
	if err != nil {
		return nil, err
	}
	if b.NATS != nil {
		return jetbus.New(b.NATS, func(sites []string) ([]jetstream.Stream, error) {
			groups, err := app.ParseSiteGroups(sites, c)
			return app.NATSTopology(c, groups...), err
		}), nil
	}
	name := c.Bus.ServiceBus.Namespace
	if name == "" {
		name = "Service Bus"
	}
	return azurebus.New(azurebus.Options{
		Conn: b.Azure, Journal: b.Journal, Name: name, Services: b.AzureServices, Status: b.AzureStatus, Close: b.Close,
		SetUp: func(ctx context.Context, sites []string, dry bool) (found []bus.Difference, err error) {
			groups, err := app.ParseSiteGroups(sites, c)
			if err == nil {
				found, err = b.SetUpAzure(ctx, dry, groups...)
			}
			if errors.Is(err, servicebus.ErrStandIn) {
				err = cli.Usage(err)
			}
			return found, err
		},
	}), nil
}

func load(path string) (config.Config, error) {
	c, err := config.Load(path)
	if err != nil {
		return c, cli.Usage(err)
	}
	return c, nil
}

func catalogue(lang string) (rows []cli.Check) {
	for _, row := range checks.List(lang) {
		rows = append(rows, cli.Check(row))
	}
	return rows
}

func knownErrors(lang string) (rows []cli.KnownError) {
	for _, row := range faults.List(lang) {
		rows = append(rows, cli.KnownError(row))
	}
	return rows
}
