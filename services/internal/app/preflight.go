package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/preflight"
)

// Preflight runs a preflight of the site that the request names, or of the only one.
func Preflight(ctx context.Context, c config.Config, ask preflight.Ask, log *zap.Logger) (preflight.Report, error) {
	s, done, err := openSite(c, ask.Request.Site, log)
	if err != nil {
		return preflight.Report{}, err
	}
	defer done()
	return preflight.Run(ctx, s.preflight(), ask, time.Now())
}

// Datastores judges the datastores of a site, as preflight.Datastores says.
func Datastores(ctx context.Context, c config.Config, siteName, machine string, log *zap.Logger) (events.Placement, error) {
	s, done, err := openSite(c, siteName, log)
	if err != nil {
		return events.Placement{}, err
	}
	defer done()
	return preflight.Datastores(ctx, s.preflight(), machine, time.Now())
}

// openSite makes the clients of the named site, or of the only one.
func openSite(c config.Config, name string, log *zap.Logger) (site, func(), error) {
	names := c.SiteNames()
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if _, ok := c.Sites[name]; !ok {
		return site{}, nil, fmt.Errorf("site %q: the config has %s: name one of them", name, strings.Join(names, ", "))
	}
	only := c
	only.Sites = map[string]config.Site{name: c.Sites[name]}
	sites, err := openSites(only, nil, log)
	if err != nil {
		return site{}, nil, err
	}
	return sites[name], func() { closeSites(sites) }, nil
}
