package app

import (
	"context"
	"errors"
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

// Ready judges, for each site of the config, or for the one that is named, which machines may be failed back now, as
// preflight.ReadyForFailback says. What was found out stands beside the errors of sites that could not be read.
func Ready(ctx context.Context, c config.Config, siteName string, log *zap.Logger) (all []preflight.Readiness, err error) {
	names := c.SiteNames()
	if siteName != "" {
		names = []string{siteName}
	}
	all = []preflight.Readiness{}
	for _, name := range names {
		found, siteErr := readySite(ctx, c, name, log)
		all = append(all, found...)
		err = errors.Join(err, siteErr)
	}
	return all, err
}

func readySite(ctx context.Context, c config.Config, name string, log *zap.Logger) ([]preflight.Readiness, error) {
	s, done, err := openSite(c, name, log)
	if err != nil {
		return nil, err
	}
	defer done()
	found, err := preflight.ReadyForFailback(ctx, s.preflight(), time.Now)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", name, err)
	}
	return found, nil
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
