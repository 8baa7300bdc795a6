package main

import (
	"context"
	"runtime/debug"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/cli/jetbus"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/report"
)

// world is what the commands reach: the bus, the vaults and the vCenters of the config.
func world() cli.Deps {
	return cli.Deps{
		Version: version(),
		Open: func(ctx context.Context, cfgPath string) (cli.Bus, error) {
			c, err := load(cfgPath)
			if err != nil {
				return nil, err
			}
			b, err := app.OpenBus(ctx, c, "reprotect", false, zap.NewNop())
			if err != nil {
				return nil, err
			}
			return jetbus.New(b.Conn, app.Topology(c)), nil
		},
		Topology: func(cfgPath string) (cli.Topology, error) {
			c, err := load(cfgPath)
			if err != nil {
				return cli.Topology{}, err
			}
			return jetbus.Topology(app.Topology(c)), nil
		},
		Preflight: func(ctx context.Context, cfgPath string, ask report.Ask) (report.Report, error) {
			c, err := load(cfgPath)
			if err != nil {
				return report.Report{}, err
			}
			return app.Ask(ctx, c, ask, zap.NewNop())
		},
		Datastores: func(ctx context.Context, cfgPath, site, machine string) (events.Placement, error) {
			c, err := load(cfgPath)
			if err != nil {
				return events.Placement{}, err
			}
			return app.Datastores(ctx, c, site, machine, zap.NewNop())
		},
		Checks: catalogue,
		Errors: knownErrors,
	}
}

func load(path string) (config.Config, error) {
	c, err := config.Load(path)
	if err != nil {
		return c, cli.Usage(err)
	}
	return c, nil
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func catalogue(lang string) []cli.Check {
	var rows []cli.Check
	for _, c := range checks.Catalogue() {
		text := c.In(lang)
		row := cli.Check{
			Code: c.Code, Level: string(c.Level), Refs: c.Refs, NeverWaived: c.NeverWaived,
			Title: text.Title, Why: text.Why, Remedy: text.Remedy, Reference: c.Reference,
		}
		for _, a := range c.For {
			row.For = append(row.For, string(a))
		}
		rows = append(rows, row)
	}
	return rows
}

func knownErrors(lang string) []cli.KnownError {
	var rows []cli.KnownError
	for _, r := range faults.Catalogue() {
		text := r.In(lang)
		rows = append(rows, cli.KnownError{
			Code: r.Code, Class: string(r.Class), Warning: r.Warning, For: string(r.For), Refs: r.Refs, Texts: r.Texts,
			Title: text.Title, Cause: text.Cause, Remedy: text.Remedy, Reference: r.Reference,
		})
	}
	return rows
}
