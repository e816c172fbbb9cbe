//go:build browser

// The browser tests need Chromium: go test -tags browser -run TestBrowser . (.ci/run installs it).

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestBrowserDocs opens /docs in a real browser without network, uses "Try it out" to create a job, and sees it fire.
func TestBrowserDocs(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed: apt-get install chromium")
	}
	called := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.URL.Path }))
	defer target.Close()
	a := newTestAPI(t)

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // no network but ours
		chromedp.WindowSize(1280, 2000))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	defer cancel()

	const create = "#operations-jobs-postJobs"
	body := `{"job_id":"from-the-page","schedule_type":"interval","interval":{"seconds":1},"target_url":"` + target.URL + `/hit"}`
	// What the page does to its editor: React listens to the setter that it replaced, and typing would append.
	fill := `(() => { const t = document.querySelector("` + create + ` textarea.body-param__text");
		Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(t, ` + "`" + body + "`" + `);
		t.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`
	steps := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	steps(chromedp.Navigate(a.url+"/docs"), chromedp.WaitVisible(create))
	operations, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll(".opblock").length`))
	if err != nil {
		t.Fatal(err)
	}
	steps(chromedp.Click(create+" .opblock-summary-control"),
		chromedp.WaitVisible(create+" textarea.body-param__text"))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fill)); err != nil {
		t.Fatal(err)
	}
	steps(chromedp.Click(create+" .execute"), chromedp.WaitVisible(create+" .live-responses-table .response-col_status"))
	answer, err := chromedp.Run(ctx, chromedp.Text(create+" .live-responses-table"))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "docs.png"), shot, 0o600); err != nil {
			t.Error(err)
		}
	}
	if want := len(a.want(200, "GET", "/openapi.json", "").object["paths"].(map[string]any)); operations < want {
		t.Errorf("the page shows %d operations, the document has %d paths", operations, want)
	}
	if !strings.Contains(answer, "201") || !strings.Contains(answer, "from-the-page") {
		t.Errorf("Try it out answered %q", answer)
	}
	select {
	case <-called:
	case <-time.After(10 * time.Second):
		t.Error("the job made on the page was not called")
	}
}
