package main

import "context"

func (b *bench) million(ctx context.Context) error   { return nil }
func (b *bench) reading(ctx context.Context) error   { return nil }
func (b *bench) growth(ctx context.Context) error    { return nil }
func (b *bench) retention(ctx context.Context) error { return nil }
func (b *bench) idle(ctx context.Context) error      { return nil }
func (b *bench) soak(ctx context.Context) error      { return nil }
