package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
)

type anyToken struct{}

func (anyToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// lookFigures measures what looks at a vault of so many items cost: reads a minute while that many of its machines are
// judged, beside the least that the lists themselves take, and processor time of one look, that of the simulated vault
// included.
func lookFigures(ctx context.Context, items int) error {
	const every, looks = 30 * time.Second, 4
	for _, cases := range []int{1, 50, items} {
		sc := scenario.Default(items)
		now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		vault := asrsim.New(sc, asrsim.Options{Now: clock})
		c, err := asr.New(asr.Options{Subscription: sc.Subscription, ResourceGroup: sc.ResourceGroup, Vault: sc.Vault,
			Credential: anyToken{}, Transport: vault.Direct(), Look: every, Now: clock})
		if err != nil {
			return err
		}
		var judged []string
		for _, m := range sc.Machines[:min(cases, items)] {
			state, err := vault.Machine(m.Name)
			if err != nil {
				return err
			}
			judged = append(judged, state.ItemID)
		}
		begun := processor()
		for range looks {
			now = now.Add(every)
			if _, err := c.Vault(ctx, every/2, judged...); err != nil {
				return fmt.Errorf("a look at %d items: %w", items, err)
			}
		}
		minutes := (looks * every).Minutes()
		pages := float64((items+49)/50+1) * looks // items and jobs, each look
		emit(map[string]any{
			"figure": "reads of looks", "unit": "reads/min", "items": items, "cases": cases, "bare": round(pages / minutes),
			"product": round(float64(c.Counters().Reads) / minutes), "looks": looks,
		})
		emit(map[string]any{
			"figure": "processor time of a look", "unit": "ms", "items": items, "cases": cases, "product": round((processor() - begun).Seconds() * 1000 / looks),
		})
	}
	return nil
}

// processor is the time that this process has computed.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
