package main

import "context"

func waitingCases(ctx context.Context, n int) error { return nil }
