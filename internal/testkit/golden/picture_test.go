package golden

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// page is a page with a box at some place and of some colour.
func page(at image.Point, c color.Color) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 400, 240))
	draw.Draw(m, m.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 0, 64, 16).Add(at), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

func TestPicturesDifferByWhatIsSeen(t *testing.T) {
	t.Parallel()
	at, ink := image.Pt(80, 80), color.NRGBA{10, 88, 202, 255}
	want := shrink(page(at, ink))
	for name, c := range map[string]struct {
		got  image.Image
		same bool
	}{
		"the same":             {page(at, ink), true},
		"smoothed otherwise":   {page(at, color.NRGBA{18, 96, 196, 255}), true},
		"moved by four pixels": {page(at.Add(image.Pt(0, 4)), ink), false},
		"another colour":       {page(at, color.NRGBA{180, 35, 31, 255}), false},
		"not there":            {page(image.Pt(-100, 0), ink), false},
		"of another size":      {image.NewNRGBA(image.Rect(0, 0, 320, 240)), false},
	} {
		if n, where := differ(want, shrink(c.got)); n == 0 != c.same {
			t.Errorf("%s: %d cells differ, in %v", name, n, where)
		}
	}
}
