using System.Net;
using OpenQA.Selenium;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>The page of a cache, as people and browsers meet it.</summary>
public class LandingPageTests(FilledServer filled) : IClassFixture<FilledServer>
{
    [Fact]
    public async Task It_tells_how_to_use_the_cache_and_what_it_holds_and_the_bucket_has_the_same_page()
    {
        await using var server = await RunningServer.StartAsync();
        var key = (await File.ReadAllTextAsync(Path.Combine(server.Data, "key.pub"))).Trim();
        await HttpPush.RunAsync(server.Client, "hello-2.12", pin: "hello");
        using var anybody = new HttpClient { BaseAddress = server.Url };
        var text = "";

        await Eventually.BecomesTrueAsync(async () => (text = await anybody.GetStringAsync(new Uri("/", UriKind.Relative)))
            .Contains("-</span>hello-2.12", StringComparison.Ordinal), describe: () => text);
        using var page = await anybody.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal("text/html; charset=utf-8", page.Content.Headers.ContentType?.ToString());
        Assert.True(page.Headers.CacheControl?.NoCache);
        Assert.NotNull(page.Headers.ETag);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Contains($"extra-substituters = <span data-url>{server.Url.ToString().TrimEnd('/')}</span>", text, StringComparison.Ordinal);
        Assert.Contains(
            $"extra-trusted-public-keys = <span class=\"key\">{WebUtility.HtmlEncode(key).Replace("+", "&#x2B;", StringComparison.Ordinal)}", text, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=[\"']?(http|//)", text);
        Assert.Equal(text, await anybody.GetStringAsync(new Uri("/c/default/", UriKind.Relative)));
        using var other = await anybody.GetAsync(new Uri("/c/other/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);

        // Written by itself, at the latest two minutes after what it tells of.
        await Eventually.BecomesTrueAsync(
            async () => await File.ReadAllTextAsync(Path.Combine(server.Data, "store", "index.html")) == await anybody.GetStringAsync(
                new Uri("/index.html", UriKind.Relative)),
            TimeSpan.FromMinutes(3), () => "index.html in the store");
    }

    [Fact]
    public async Task A_private_cache_shows_it_to_readers_only()
    {
        await using var server = await RunningServer.StartAsync("--private");
        using var anybody = new HttpClient { BaseAddress = server.Url };

        foreach (var path in (string[])["/", "/index.html", "/c/default/"])
        {
            using var refused = await anybody.GetAsync(new Uri(path, UriKind.Relative));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        Assert.Contains("netrc-file", await server.Client.GetStringAsync(new Uri("/", UriKind.Relative)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_that_others_have_chosen_are_text_and_nothing_else()
    {
        await using var server = await RunningServer.StartAsync("--public-url", "http://cache.example.org/%3Cscript%3E'\"&");
        var text = await server.Client.GetStringAsync(new Uri("/", UriKind.Relative));

        Assert.DoesNotContain("<script>'\"", text, StringComparison.Ordinal);
        Assert.Contains("&#x27;&quot;&amp;", text, StringComparison.Ordinal);
    }

    [BrowserFact]
    public async Task The_button_copies_what_belongs_into_nix_conf()
    {
        await using var server = await RunningServer.StartAsync();
        var key = (await File.ReadAllTextAsync(Path.Combine(server.Data, "key.pub"))).Trim();
        using var browser = new Browser();
        browser.Command("Browser.grantPermissions", new()
        {
            ["permissions"] = (object[])["clipboardReadWrite", "clipboardSanitizedWrite"],
            ["origin"] = server.Url.ToString()
        });
        browser.Driver.Navigate().GoToUrl(server.Url);

        var button = browser.Driver.FindElement(By.Id("copy"));
        button.Click();

        await Eventually.BecomesTrueAsync(() => button.Text == "Copied", describe: () => button.Text);
        var copied = browser.Driver.ExecuteAsyncScript("navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))");
        Assert.Equal($"extra-substituters = {server.Url.ToString().TrimEnd('/')}\nextra-trusted-public-keys = {key}\n", copied);
        Assert.Empty(browser.Complaints());
    }

    [BrowserFact]
    public async Task A_mirror_of_the_bucket_shows_its_own_address()
    {
        await using var server = await RunningServer.StartAsync("--public-url", "https://gateway.example.org");
        using var browser = new Browser();

        browser.Driver.Navigate().GoToUrl(new Uri(server.Url, "/c/default/index.html"));

        Assert.StartsWith($"extra-substituters = {server.Url}c/default\n", browser.Driver.FindElement(By.Id("nix-conf")).Text,
            StringComparison.Ordinal);
    }

    [BrowserTheory]
    [InlineData("desktop", 1100, false)]
    [InlineData("desktop", 1100, true)]
    [InlineData("phone", 375, false)]
    [InlineData("phone", 375, true)]
    public async Task It_is_readable_at_every_width_in_light_and_dark(string device, int width, bool dark)
    {
        using var browser = new Browser(width, device == "phone" ? 812 : 1000, scale: 1.5, dark,
            $"MAP {FilledServer.Host} {filled.Server.Url.Authority}");
        browser.Driver.Navigate().GoToUrl($"http://{FilledServer.Host}/");

        // Nothing is wider than the window, and text differs from what it stands on.
        Assert.Equal(FilledServer.Pins.Length, browser.Driver.FindElements(By.CssSelector("#pins tbody tr")).Count);
        Assert.Equal((long)width, browser.Run("return document.documentElement.scrollWidth"));
        var row = browser.Driver.FindElement(By.XPath("//tr[td[@class='name' and .='website-prod']]"));
        Assert.Contains("nixos-system-web-25.11.20261120.4f0bd9f", row.Text, StringComparison.Ordinal);
        Assert.Contains("never", row.Text, StringComparison.Ordinal);
        Assert.True(Contrast(browser, "p.lead") >= 4.5 && Contrast(browser, "td.path .hash") >= 4.5 && Contrast(browser, "a") >= 4.5,
            "text is too faint");
        Assert.Equal(dark, Luminance((string)browser.Run("return getComputedStyle(document.body).backgroundColor")!) < 0.2);
        Assert.Empty(browser.Complaints());
        // That no name is too long has been seen; the picture is for people.
        browser.Run("document.querySelector('#pins tbody tr:last-child').remove()");
        var pictures = Path.Combine(Repository.Root, "artifacts", "test", "landing-page");
        Directory.CreateDirectory(pictures);
        await File.WriteAllBytesAsync(Path.Combine(pictures, $"{device}-{(dark ? "dark" : "light")}.png"), browser.Picture());
    }

    // WCAG 2's ratio of the text of an element and of the page behind it.
    private static double Contrast(Browser browser, string selector)
    {
        var text = Luminance((string)browser.Run($"return getComputedStyle(document.querySelector('{selector}')).color")!);
        var page = Luminance((string)browser.Run("return getComputedStyle(document.body).backgroundColor")!);
        return (Math.Max(text, page) + 0.05) / (Math.Min(text, page) + 0.05);
    }

    // "rgb(1, 2, 3)"
    private static double Luminance(string color)
    {
        var parts = color[(color.IndexOf('(', StringComparison.Ordinal) + 1)..color.IndexOf(')', StringComparison.Ordinal)].Split(',')
            .Select(p => double.Parse(p, System.Globalization.CultureInfo.InvariantCulture) / 255)
                .Select(c => c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4)).ToList();
        return (0.2126 * parts[0]) + (0.7152 * parts[1]) + (0.0722 * parts[2]);
    }
}
