package config

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Sample is a config to begin with, with a word on each part. It is right as it stands, but for its names.
//
//go:embed sample.yaml
var Sample string

// CheckFolder sees that dataDir can be written to. It leaves nothing behind, and makes no folder: a parent that can be written
// to is enough where there is none yet.
func (c Config) CheckFolder() error {
	folder := c.DataDir
	for {
		info, err := os.Stat(folder)
		parent := filepath.Dir(folder)
		if errors.Is(err, os.ErrNotExist) && parent != folder {
			folder = parent
			continue
		}
		if err == nil && !info.IsDir() {
			err = errors.New("it is a file")
		}
		if err != nil {
			return fmt.Errorf("dataDir %s: %w: name a folder that this process can write to", c.DataDir, err)
		}
		break
	}
	f, err := os.CreateTemp(folder, ".writable-")
	if err != nil {
		return fmt.Errorf("dataDir %s cannot be written to: give this process the right, or name another folder: %w", c.DataDir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
