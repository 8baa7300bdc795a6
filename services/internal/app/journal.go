package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/journal"
	"reprotect.example/services/workflow"
)

// journalFile is where a process that keeps the journal has it, under dataDir. It can be deleted at any time: on NATS
// it is made anew from the stream.
const journalFile = "journal.db"

// ownJournal is the journal of this process, and whether it serves: one process at a time does, once it has caught up.
type ownJournal struct {
	*journal.Store
	log    *zap.Logger
	signer *audit.Signer // nil: the config names no key
	serves atomic.Bool
}

// checkpoint is the journal's tree, signed now.
func (j *ownJournal) checkpoint(ctx context.Context) ([]byte, error) {
	tree, err := j.Tree(ctx)
	if err != nil {
		return nil, err
	}
	return j.signer.Sign(&tree, time.Now())
}

func openJournal(o Options) (*ownJournal, error) {
	c := o.Config
	if listen := c.Journal.Listen; listen != "" && c.Journal.TokenFile == "" && !(config.HTTP{Listen: listen}).OnLoopback() {
		return nil, fmt.Errorf("journal: its API would be open to whoever reaches %s: name a file with a token under journal.tokenFile, or let it listen on loopback (journal.listen)", listen)
	}
	signer, err := signerOf(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := journal.Open(ctx, filepath.Join(c.DataDir, journalFile))
	if err != nil {
		return nil, err
	}
	return &ownJournal{Store: store, log: o.Log, signer: signer}, nil
}

// signerOf signs with the key of the config; nil when it names none.
func signerOf(c config.Config) (*audit.Signer, error) {
	key, err := c.AuditKey()
	if err != nil || key == "" {
		return nil, err
	}
	signer, err := audit.NewSigner(key)
	if err != nil {
		return nil, fmt.Errorf("audit.keyFile: %s: %w", c.Audit.KeyFile, err)
	}
	return signer, nil
}

// VerifyJournal compares the file of a journal with what was written down and with the checkpoints of v. Nobody needs to
// keep it meanwhile, and nothing is changed.
func VerifyJournal(ctx context.Context, path string, v *audit.Verifier) (audit.Verdict, error) {
	return journal.VerifyFile(ctx, path, v)
}

// Journal is the API of the journal that this process keeps; nil where it keeps none, and where it would be open to whoever
// reaches http.listen. What follows the log ends with drain.
func (a *App) Journal(drain <-chan struct{}) (http.Handler, error) {
	if a.journal == nil {
		return nil, nil
	}
	c := a.o.Config
	token, err := c.JournalToken()
	if err != nil || token == "" && c.Journal.Listen == "" && !c.HTTP.OnLoopback() {
		return nil, err
	}
	return a.journal.api(token, hostsOf(c.JournalURL(), c.HTTP.PublicURL), drain), nil
}

// KeepsJournal says whether this process keeps the journal now and has caught up, so that it is the one to be asked.
func (a *App) KeepsJournal() bool { return a.journal != nil && a.journal.serves.Load() }

// hostsOf are the host names of some addresses.
func hostsOf(addresses ...string) []string {
	hosts := []string{}
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// api is the journal's API, by itself and within the console, which looks at hosts itself.
func (j *ownJournal) api(token string, hosts []string, drain <-chan struct{}) http.Handler {
	o := journal.HandlerOptions{Token: token, Hosts: hosts, Drain: drain, Serves: j.serves.Load, Failed: func(path string, err error) {
		j.log.Error("a question to the journal could not be answered", zap.String("path", path), zap.Error(err))
	}}
	if j.signer != nil {
		o.Checkpoint = j.checkpoint
	}
	return journal.Handler(j.Store, o)
}

// keepsJournal is the service that keeps the journal. It serves alone: of two processes each would keep a part of the
// log, in a file of its own. Whoever takes over reads first what it has missed, so that its log has the order of the bus.
func keepsJournal(o outside) workflow.Service {
	steps := &watchedSteps{of: map[string]bool{}}
	keep := func(ctx context.Context, r bus.Received) func() error {
		if o.bus.Azure != nil {
			steps.see(o, r)
		}
		return o.journal.Hand(ctx, r)
	}
	return workflow.Service{
		Name: "journal", Alone: true, Keep: keep,
		StandBy: func() {
			o.journal.serves.Store(false)
			o.health(errors.New("stands by: one process at a time keeps the journal, and this one does not. Ask the other; this one goes on when that stops"))
		},
		Begin: func(ctx context.Context) {
			catchUp(ctx, o)
			if ctx.Err() == nil {
				o.health(nil)
				o.journal.serves.Store(true)
			}
		},
	}
}

// catchUp reads from the stream what the journal has not kept, such as all of it when its file is new. Service Bus
// cannot be read again.
func catchUp(ctx context.Context, o outside) {
	for pause := firstPause; o.bus.NATS != nil; pause = min(2*pause, mostPause) {
		o.health(errors.New("reads from the stream what it has missed"))
		err := o.journal.CatchUp(ctx, o.bus.NATS.Since)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			break
		}
		err = fmt.Errorf("the stream cannot be read from where the journal ends: %w", err)
		o.health(err)
		o.trouble("journal", err)
		if !sleep(ctx, pause) {
			return
		}
	}
}
