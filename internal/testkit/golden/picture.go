package golden

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

const (
	// cell is the side of the squares, in pixels, of which pictures are compared the mean colours: how edges
	// of letters are smoothed differs between versions of a browser, what stands where does not.
	cell = 8
	// unlike is from which difference of a channel, of 255, two cells are not the same.
	unlike = 20
	// tolerated is which part of the cells may differ.
	tolerated = 0.001
)

// Picture compares a picture of a page with testdata/name, which has one pixel for each square of 8 by 8.
// One cell in a thousand may differ. With -update it writes the file instead. With TOCSIN_SCREENSHOTS
// set, pictures that differ are left in that folder as they are.
func Picture(t testing.TB, name string, got image.Image) {
	t.Helper()
	means := shrink(got)
	if *update {
		Check(t, name, encode(t, means))
		return
	}
	path := filepath.Join("testdata", filepath.FromSlash(name))
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("read %s (make it with -update): %v", path, err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	n, where := differ(want, means)
	if most := int(tolerated * float64(means.Rect.Dx()*means.Rect.Dy())); n <= most {
		return
	}
	t.Errorf("%s differs in %d of %d cells, in the pixels of %v", path, n, means.Rect.Dx()*means.Rect.Dy(),
		image.Rectangle{Min: where.Min.Mul(cell), Max: where.Max.Mul(cell)})
	if dir := os.Getenv("TOCSIN_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), encode(t, got), 0o600); err != nil {
			t.Error(err)
		}
	}
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shrink is a picture of the mean colours of the cells of another.
func shrink(m image.Image) *image.NRGBA {
	from := m.Bounds()
	means := image.NewNRGBA(image.Rect(0, 0, from.Dx()/cell, from.Dy()/cell))
	for y := range means.Rect.Dy() {
		for x := range means.Rect.Dx() {
			var r, g, b uint32
			for i := range cell * cell {
				r1, g1, b1, _ := m.At(from.Min.X+x*cell+i%cell, from.Min.Y+y*cell+i/cell).RGBA()
				r, g, b = r+r1>>8, g+g1>>8, b+b1>>8
			}
			means.SetNRGBA(x, y, color.NRGBA{uint8(r / (cell * cell)), uint8(g / (cell * cell)), uint8(b / (cell * cell)), 255})
		}
	}
	return means
}

// differ counts the pixels in which pictures are unlike, and says where they are. Those of pictures of
// different sizes all are.
func differ(a, b image.Image) (n int, where image.Rectangle) {
	box := b.Bounds()
	if a.Bounds() != box {
		return box.Dx() * box.Dy(), box
	}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if max(apart(r1, r2), apart(g1, g2), apart(b1, b2)) > unlike {
				n, where = n+1, where.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return n, where
}

// apart is how far two channels of 16 bits are apart in those of 8.
func apart(a, b uint32) int { return max(int(a>>8)-int(b>>8), int(b>>8)-int(a>>8)) }
