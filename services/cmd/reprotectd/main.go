// Reprotectd runs the services.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/build"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
)

// Exit statuses, as for reprotect.
const (
	exitUsage   = 2
	exitFailure = 3
)

type flags struct {
	config, target, site, logLevel string
	verify                         bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var f flags
	root := &cobra.Command{
		Use:   "reprotectd [--config FILE] [--target NAME,…] [--site NAME,…]",
		Short: "Run the services that reprotect machines",
		Long: `Reprotectd runs one service, several, or all of them. They talk through the bus that the config names; each may
run in a process of its own, and any of them may be killed and started again at any time.

The state of this process is at /ready, /live and /metrics of http.listen. On SIGTERM it takes no more work,
finishes what is under way, and ends.`,
		Example: `  reprotectd --config reprotect.yaml
  reprotectd --config reprotect.yaml --target validator,executor
  reprotectd --config reprotect.yaml --verify-config`,
		Version: build.Read().String(),
		Args:    cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	root.SetVersionTemplate("reprotectd {{.Version}}\n")
	root.Flags().StringVar(&f.config, "config", "", "read the config from `FILE` (default: $REPROTECT_CONFIG, else ./reprotect.yaml)")
	root.Flags().StringVar(&f.target, "target", "all", "services to run: all, or some of validator, datastore, agentwatcher, executor, notifier, guard, journal")
	root.Flags().StringVar(&f.site, "site", "", "serve only these sites of the config")
	root.Flags().StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	root.Flags().BoolVar(&f.verify, "verify-config", false, "check the config and the secrets that it names, then end")
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "reprotectd:", err)
		var failed failure
		if errors.As(err, &failed) {
			os.Exit(exitFailure)
		}
		os.Exit(exitUsage)
	}
}

// failure is an error of the surroundings, not of the command line or the config.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func run(ctx context.Context, f flags, out io.Writer) error {
	f.config = config.Path(f.config)
	c, err := config.Load(f.config)
	if err != nil {
		return err
	}
	targets, err := app.ParseTargets(f.target)
	if err != nil {
		return err
	}
	sites, err := app.ParseSites(f.site, c)
	if err != nil {
		return err
	}
	if f.verify {
		if err := errors.Join(c.CheckSecrets(), c.CheckFolder()); err != nil {
			return err
		}
		if err := app.CheckChannels(c); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s is good: %d sites\n", f.config, len(c.Sites))
		return nil
	}
	log, err := telemetry.NewLogger(os.Stderr, f.logLevel)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // stderr may not support it

	health, metrics := telemetry.NewHealth(append([]string{"bus"}, targets...)...), telemetry.NewMetrics()
	services, err := app.New(app.Options{
		Config: c, Targets: targets, Sites: sites, Log: log, Health: health, Observe: metrics.Observe, Hanging: metrics.Hanging, Occupied: metrics.Occupied, Room: metrics.Room, Differ: metrics.Differ, Count: metrics.Count,
	})
	if err != nil {
		return err
	}
	metrics.Health(health)
	metrics.Build(build.Read())
	if read := services.Standings(); read != nil {
		metrics.Standings(read)
	}
	listener, elsewhere, err := listen(c.HTTP.Listen, log)
	if err != nil {
		return failure{fmt.Errorf("http.listen: %w", err)}
	}
	log.Info("reprotectd started", zap.Stringer("version", build.Read()), zap.Strings("targets", targets), zap.Stringer("http", listener.Addr()))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pages := telemetry.Handler(metrics, health)
	journal, err := services.Journal(ctx.Done())
	if err != nil {
		return err
	}
	shown, err := services.Console(app.ConsoleOptions{Version: build.Read().Version, Health: app.Parts(health), Drain: ctx.Done()})
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	if shown != nil {
		pages.Handle("/", shown.Handler())
		serving.Go(func() { shown.Run(ctx) })
		log.Info("console served", zap.String("url", cmp.Or(c.HTTP.PublicURL, "http://"+listener.Addr().String())))
	}
	serve := func(listener net.Listener, h http.Handler) {
		serving.Go(func() {
			if err := telemetry.Serve(ctx, listener, h); err != nil {
				log.Error("http server ended", zap.Error(err))
			}
		})
	}
	// Whoever keeps the journal is asked at its address; who stands by takes that over with it.
	later := func(address string, h http.Handler) {
		serving.Go(func() {
			if l := takes.await(ctx, address); l != nil {
				log.Info("address of the journal taken over", zap.String("address", address))
				serve(l, h)
			}
		})
	}
	switch {
	case journal == nil && shown == nil:
	case c.Journal.Listen == "":
		if shown == nil {
			pages.Handle("/api/", journal)
		}
		if elsewhere {
			later(c.HTTP.Listen, pages)
		}
	default:
		l, err := net.Listen("tcp", c.Journal.Listen)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			log.Warn("journal.listen is in use, waiting for it", zap.String("address", c.Journal.Listen))
		case err != nil:
			return failure{fmt.Errorf("journal.listen: %w", err)}
		}
		serving.Go(func() {
			takes.share(ctx, c.Journal.Listen, l, services.KeepsJournal, func(ctx context.Context, l net.Listener) {
				if err := telemetry.Serve(ctx, l, journal); err != nil {
					log.Error("http server of the journal ended", zap.Error(err))
				}
			})
		})
	}
	serve(listener, pages)
	services.Run(ctx)
	stop()
	serving.Wait()
	log.Info("reprotectd stopped")
	return nil
}

// listen takes the configured address. When several processes run from one config, the first has it and the
// others take a free port, which their log names.
func listen(address string, log *zap.Logger) (l net.Listener, elsewhere bool, err error) {
	l, err = net.Listen("tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, false, err
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, false, err
	}
	log.Warn("http.listen is in use, taking a free port", zap.String("address", address))
	l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	return l, true, err
}
