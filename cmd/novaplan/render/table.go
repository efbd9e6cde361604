package render

import (
	"strings"
	"unicode/utf8"
)

// Table is rows of cells in aligned columns, two spaces apart.
type Table struct {
	rows [][]Cell
}

// Cell is one cell and how it is decorated.
type Cell struct {
	Text  string
	Paint func(string) string
}

// Row adds a row of plain cells.
func (t *Table) Row(texts ...string) {
	cells := make([]Cell, len(texts))
	for i, s := range texts {
		cells[i].Text = s
	}
	t.rows = append(t.rows, cells)
}

// Cells adds a row.
func (t *Table) Cells(cells ...Cell) { t.rows = append(t.rows, cells) }

// String lays the table out. Columns without any text but the heading are left out.
func (t *Table) String() string {
	widths := t.widths()
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		pad := 0
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			line.WriteString(strings.Repeat(" ", pad))
			text := cell.Text
			if cell.Paint != nil {
				text = cell.Paint(text)
			}
			line.WriteString(text)
			pad = widths[i] - utf8.RuneCountInString(cell.Text) + 2
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

func (t *Table) widths() []int {
	var widths []int
	for n, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n > 0 && cell.Text != "" {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
			}
		}
	}
	if len(t.rows) == 0 {
		return widths
	}
	for i, cell := range t.rows[0] {
		if widths[i] > 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	return widths
}
