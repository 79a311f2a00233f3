package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/portico-fhir/portico/internal/patience"
)

// Env names the Chromium to use, where it is not the one on the path.
const Env = "PORTICO_TEST_CHROMIUM"

// Tab is a tab of a browser of its own, with no cookies to begin with. What goes wrong
// ends the test.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// timeout bounds all that happens in one browser: a dozen waits for pages.
const timeout = 3 * patience.Limit

// Open starts a browser that ends with the test. Without one on this machine, and
// with -short, the test is skipped: scripts/test-browser.sh installs one.
func Open(t testing.TB) *Tab {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a browser of its own")
	}
	path := os.Getenv(Env)
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name) // the next is tried
		}
	}
	if path == "" {
		t.Skip("there is no Chromium: scripts/test-browser.sh installs one")
	}
	// Of its own, and not t.TempDir: the path of a socket in it may be 100 bytes long.
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !patience.Until(func() bool { return os.RemoveAll(dir) == nil }) { // its processes may be about to end
			t.Errorf("%s cannot be removed", dir)
		}
	})
	options := append(
		chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience.Limit),
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("TMPDIR="+dir),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root does not get
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	b := &Tab{t: t}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(ctx, timeout)
	t.Cleanup(cancel)
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return b
}

// hear collects what the browser complains about.
func (b *Tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	}
}

// Complaints gives what the browser complained about since it was last asked: policies
// that a page broke, files that were not there, scripts that failed.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.complaints
	b.complaints = nil
	return all
}

// Screen makes the tab look like one of a device.
func (b *Tab) Screen(width, height int64, dark bool, language string) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	})
	b.must(err, "set the screen")
	_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	b.must(err, "set the colors")
	_, err = chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
	b.must(err, "set the language")
}

func (b *Tab) must(err error, what string) {
	b.t.Helper()
	if err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText.slice(0, 500) : ""`))
		b.t.Fatalf("%s: %v; the browser shows %s: %s", what, err, at, strings.Join(strings.Fields(text), " "))
	}
}

// Go opens an address.
func (b *Tab) Go(address string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Navigate(address)), "open "+address)
}

// At gives the address that is shown.
func (b *Tab) At() string {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	b.must(err, "ask for the address")
	return at
}

// Await waits until something that a CSS selector finds is to be seen.
func (b *Tab) Await(selector string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.WaitVisible(selector)), "wait for "+selector)
}

// Text waits until an element is to be seen and gives its text.
func (b *Tab) Text(selector string) string {
	b.t.Helper()
	b.Await(selector)
	text, err := chromedp.Run(b.ctx, chromedp.Text(selector))
	b.must(err, "read "+selector)
	return text
}

// Set fills in a field.
func (b *Tab) Set(selector, value string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.SetValue(selector, value)), "fill in "+selector)
}

// Click clicks what stays on the page.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Click(selector)), "click "+selector)
}

// Follow clicks what leads to another page, and waits until that is loaded.
func (b *Tab) Follow(selector string) {
	b.t.Helper()
	_, err := chromedp.RunResponse(b.ctx, chromedp.Click(selector))
	b.must(err, "follow "+selector)
}

// Type presses keys.
func (b *Tab) Type(keys string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(keys)), "type")
}

// Enter presses a key that leads to another page, and waits until that is loaded.
func (b *Tab) Enter(key string) {
	b.t.Helper()
	_, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(key))
	b.must(err, "press a key")
}

// Picture gives the whole page as a PNG.
func (b *Tab) Picture() []byte {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	b.must(err, "take a picture")
	return png
}

// Eval gives the value of a JavaScript expression, of its promise when it is one.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	b.must(err, "evaluate "+expression)
	return v
}
