package app

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/azurevm"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/observed"
)

// vault is a site's vault whose looks also tell what else the checks judge: the Azure VMs, and whether the ports
// are open that the config names. All copies share what was observed.
type vault struct {
	*asr.Client
	age    time.Duration // how old what is beside the vault may be
	vms    *azurevm.Client
	probes []config.Probe

	seenVMs    *recent[observed.AzureVMs]
	seenProbes *recent[[]observed.Probe]
}

func watchVault(client *asr.Client, sc config.Site) (vault, error) {
	vms, err := azurevm.New(client)
	return vault{client, sc.Limits.Look, vms, sc.Network.Probes, &recent[observed.AzureVMs]{}, &recent[[]observed.Probe]{}}, err
}

// within is the vault for one who looks often: what is beside the vault may be that old.
func (v vault) within(age time.Duration) vault {
	v.age = age
	return v
}

// Vault is a look at the vault with what is beside it. What cannot be observed is no error: it stands in the
// facts. With maxAge 0 everything is observed anew.
func (v vault) Vault(ctx context.Context, maxAge time.Duration) (observed.Vault, error) {
	look, err := v.Client.Vault(ctx, maxAge)
	if err != nil {
		return look, err
	}
	if maxAge > 0 {
		maxAge = max(maxAge, v.age)
	}
	look.AzureVMs, err = v.seenVMs.get(ctx, maxAge, look.Taken,
		func(vms observed.AzureVMs) bool { return azurevm.Covers(vms, look.Items) },
		func(ctx context.Context) observed.AzureVMs { return v.vms.Look(ctx, look.Items, time.Now) })
	if err != nil {
		return look, err
	}
	look.Probes, err = v.seenProbes.get(ctx, maxAge, look.Taken,
		func([]observed.Probe) bool { return true },
		func(ctx context.Context) []observed.Probe { return probe(ctx, v.probes) })
	return look, err
}

// recent shares an observation among all who ask: it is made anew when it is too old or does not fit any more,
// by one of them for all.
type recent[T any] struct {
	flight singleflight.Group

	mu    sync.Mutex
	at    time.Time // zero: nothing was observed yet
	value T
	fits  time.Time // the look at the vault that it was last seen to fit
}

// get returns an observation that is at most maxAge old and fits the look at the vault of that time. An error is
// that of ctx; the observation goes on for the others.
func (r *recent[T]) get(ctx context.Context, maxAge time.Duration, look time.Time, fit func(T) bool, observe func(context.Context) T) (value T, err error) {
	if value, ok := r.known(maxAge, look, fit); ok {
		return value, nil
	}
	done := r.flight.DoChan("", func() (any, error) {
		// Whoever had to wait for another's observation may find that it serves.
		if value, ok := r.known(maxAge, look, fit); ok {
			return value, nil
		}
		at, value := time.Now(), observe(context.WithoutCancel(ctx))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.at, r.value, r.fits = at, value, look
		return value, nil
	})
	select {
	case result := <-done:
		return result.Val.(T), nil
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

func (r *recent[T]) known(maxAge time.Duration, look time.Time, fit func(T) bool) (value T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) > maxAge {
		return value, false
	}
	if !r.fits.Equal(look) {
		if !fit(r.value) {
			return value, false
		}
		r.fits = look
	}
	return r.value, true
}
