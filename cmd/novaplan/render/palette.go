package render

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// Palette decorates text. The zero value leaves it as it is.
type Palette struct {
	enabled bool
}

// Colours returns a palette with ANSI colours. The writer behind it strips them where they don't belong.
func Colours() Palette { return Palette{enabled: true} }

func (p Palette) paint(c color.Color, s string) string {
	if !p.enabled || s == "" {
		return s
	}
	return lipgloss.NewStyle().Foreground(c).Render(s)
}

// Good, Bad, Warn and Move colour a word by what it means.
func (p Palette) Good(s string) string { return p.paint(lipgloss.Green, s) }

// Bad is for errors and terminations.
func (p Palette) Bad(s string) string { return p.paint(lipgloss.Red, s) }

// Warn is for warnings and interruptions.
func (p Palette) Warn(s string) string { return p.paint(lipgloss.Yellow, s) }

// Move is for what interrupts nobody.
func (p Palette) Move(s string) string { return p.paint(lipgloss.Cyan, s) }

// Faint is for what can be skipped.
func (p Palette) Faint(s string) string {
	if !p.enabled || s == "" {
		return s
	}
	return lipgloss.NewStyle().Faint(true).Render(s)
}

// Bold is for headings.
func (p Palette) Bold(s string) string {
	if !p.enabled || s == "" {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

// Enabled reports whether there are colours.
func (p Palette) Enabled() bool { return p.enabled }
