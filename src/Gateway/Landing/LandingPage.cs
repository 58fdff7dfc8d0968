using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using OrleansCache.Contracts;
using OrleansCache.Core.Inspect;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Landing;

/// <summary>The content of a cache's page.</summary>
/// <param name="Url">The URL at which clients reach the cache, without a slash at its end.</param>
/// <param name="PublicKeys"><c>name:base64</c>.</param>
/// <param name="Priority">As in <c>nix-cache-info</c>.</param>
/// <param name="IsPrivate">Reads need a token.</param>
/// <param name="Numbers">Null when they are unknown.</param>
/// <param name="Pins">By name.</param>
/// <param name="LastRun">The last ended run of the collector; null before the first.</param>
internal sealed record LandingContent(string Url, IReadOnlyList<string> PublicKeys, int Priority, bool IsPrivate, CacheNumbers? Numbers,
    IReadOnlyList<Pin> Pins, GcRun? LastRun);

/// <summary>
/// A page for people, in one file that loads nothing else. Gateway and bucket have the same bytes, and equal content gives equal bytes.
/// </summary>
internal static class LandingPage
{
    private const int MaxPins = 200;
    private static readonly string Style = Resource("landing.css"), Script = Resource("landing.js");

    /// <summary>Allows only what is in the page itself. The bucket sends no such header, so the page says it too.</summary>
    public static string ContentSecurityPolicy { get; } =
        $"default-src 'none'; style-src '{Hash(Style)}'; script-src '{Hash(Script)}'; img-src data:; base-uri 'none'; form-action 'none'";

    public static byte[] Render(LandingContent content)
    {
        var title = Html(new Uri(content.Url).Authority);
        var page = new StringBuilder(Style.Length + Script.Length + 4096);
        page.Append(CultureInfo.InvariantCulture, $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="{ContentSecurityPolicy}">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="description" content="A Nix binary cache: how to use it, and what it holds.">
            <title>{title}: a Nix binary cache</title>
            <link rel="icon" href="data:,">
            <style>{Style}</style>
            </head>
            <body>
            <main>
            <header>
            <p class="kind">Nix binary cache</p>
            <h1>{title}</h1>
            <p class="lead">What was built once need not be built again: a machine that knows this cache fetches store paths from here, and checks their signatures.</p>
            </header>

            """);
        AppendNumbers(page, content);
        AppendUse(page, content);
        AppendPins(page, content.Pins);
        AppendCollection(page, content.LastRun);
        page.Append(CultureInfo.InvariantCulture, $"""
            <footer><span>OrleansCache {Html(CacheInfos.ServerVersion)}</span><a href="nix-cache-info">nix-cache-info</a><span>Priority {content.Priority}; Nix asks lower ones first</span></footer>
            </main>
            <script>{Script}</script>
            </body>
            </html>

            """);
        return Encoding.UTF8.GetBytes(page.ToString());
    }

    private static void AppendNumbers(StringBuilder page, LandingContent content)
    {
        if (content.Numbers is not { } numbers)
            return;
        var about = numbers.Exact ? "" : "about ";
        page.Append("<section aria-label=\"What it holds\">\n<dl class=\"numbers\">\n");
        foreach (var (label, value) in ((string, string)[])
        [
            ("Store paths", about + Count(numbers.Paths, numbers.Exact)), ("Objects", about + Count(numbers.Objects, numbers.Exact)),
                ("Compressed", about + Size(numbers.Bytes)),
            ("Pins", Count(content.Pins.Count, true)),
        ])
            page.Append(CultureInfo.InvariantCulture, $"<div><dt>{label}</dt><dd>{value}</dd></div>\n");
        page.Append("</dl>\n</section>\n");
    }

    private static void AppendUse(StringBuilder page, LandingContent content)
    {
        page.Append(CultureInfo.InvariantCulture, $"""
            <section>
            <h2>Use it</h2>
            <div class="snippet">
            <div class="bar"><span>nix.conf</span><button id="copy" type="button" aria-live="polite" hidden>Copy</button></div>
            <pre id="nix-conf">extra-substituters = <span data-url>{Html(content.Url)}</span>
            """);
        if (content.PublicKeys.Count > 0)
            page.Append(CultureInfo.InvariantCulture,
                $"\nextra-trusted-public-keys = <span class=\"key\">{Html(string.Join(' ', content.PublicKeys))}</span>");
        page.Append("\n</pre>\n</div>\n");
        if (content.IsPrivate)
        {
            page.Append(
                "<p class=\"note\">Reads need a token: write <code>machine HOST login any password TOKEN</code> into a file that only " +
                "root can read, and name it with " +
                "<code>netrc-file</code> in nix.conf.</p>\n");
        }

        page.Append("</section>\n<section>\n<h2>Public keys</h2>\n");
        if (content.PublicKeys.Count == 0)
            page.Append("<p class=\"quiet\">This cache signs nothing itself: trust the keys of whoever signed the paths.</p>\n");
        else
        {
            page.Append("<ul class=\"keys\">\n");
            foreach (var key in content.PublicKeys)
                page.Append(CultureInfo.InvariantCulture, $"<li><code class=\"key\">{Html(key)}</code></li>\n");
            page.Append("</ul>\n");
        }

        page.Append("</section>\n");
    }

    private static void AppendPins(StringBuilder page, IReadOnlyList<Pin> pins)
    {
        page.Append("<section>\n<h2>Pins</h2>\n");
        if (pins.Count == 0)
        {
            page.Append(
                "<p class=\"quiet\">None yet. A pin is a name for a store path, which is then kept with all that it " +
                "needs.</p>\n</section>\n");
            return;
        }

        page.Append("<table id=\"pins\">\n<thead><tr><th>Name</th><th>Store path</th><th>Set</th><th>Expires</th></tr></thead>\n<tbody>\n");
        foreach (var pin in pins.Take(MaxPins))
        {
            page.Append(CultureInfo.InvariantCulture, $"""
                <tr><td class="name"><a href="pins/{Html(pin.Name.ToString())}">{Html(pin.Name.ToString())}</a></td><td class="path"><code><span class="hash">{pin.Path.Hash}-</span>{Html(pin.Path.Name)}</code></td>
                """);
            page.Append(CultureInfo.InvariantCulture, $"<td class=\"when\" data-label=\"Set\">{Time(pin.Updated)}</td>");
            page.Append(pin.Expires is { } expires ? $"<td class=\"when\" data-label=\"Expires\">{Time(expires)}</td></tr>\n"
                : "<td class=\"when\" data-label=\"Expires\">never</td></tr>\n");
        }

        page.Append("</tbody>\n</table>\n");
        if (pins.Count > MaxPins)
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"note\">And {pins.Count - MaxPins:N0} more.</p>\n");
        page.Append("</section>\n");
    }

    private static void AppendCollection(StringBuilder page, GcRun? run)
    {
        page.Append("<section>\n<h2>Garbage collection</h2>\n<p id=\"gc\" class=\"quiet\">");
        page.Append(run switch
        {
            null => "Nothing has been collected yet.",
            { DryRun: true } => $"Last tried out {Time(run.Finished ?? run.Started)}; nothing was deleted.",
            { State: GcState.Done } => string.Create(CultureInfo.InvariantCulture,
                $"Last run {Time(run.Finished ?? run.Started)}: {run.ObjectsDeletedAfterGracePeriod:N0} paths and objects deleted, " +
                    $"{Size(run.BytesFreed)} freed."),
            _ => $"The last run, {Time(run.Finished ?? run.Started)}, {(run.State == GcState.Cancelled ? "was cancelled" : "failed")}.",
        });
        page.Append("</p>\n</section>\n");
    }

    // For browsers without script; the script shows how long ago that was.
    private static string Time(DateTimeOffset time) => string.Create(CultureInfo.InvariantCulture,
        $"<time datetime=\"{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\">{time.UtcDateTime:yyyy-MM-dd HH:mm} UTC</time>");

    // In an estimate only two digits mean something.
    private static string Count(long count, bool exact) => exact || count < 1000 ? count.ToString("N0", CultureInfo.InvariantCulture)
        : count switch
        {
            < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{Rounded(count):N0}"),
            < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{Rounded(count) / 1e6:0.#} million"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{Rounded(count) / 1e9:0.#} billion"),
        };

    private static double Rounded(long count)
    {
        var step = Math.Pow(10, Math.Floor(Math.Log10(count)) - 1);
        return Math.Round(count / step) * step;
    }

    private static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        var (size, unit) = ((double)bytes, 0);
        for (; size >= 1000 && unit < units.Length - 1; unit++)
            size /= 1024;
        return string.Create(CultureInfo.InvariantCulture,
            $"{size.ToString(size < 9.95 && unit > 0 ? "0.0" : "0", CultureInfo.InvariantCulture)} {units[unit]}");
    }

    private static string Html(string text) => HtmlEncoder.Default.Encode(text);

    private static string Hash(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Resource(string name)
    {
        using var stream = typeof(LandingPage).Assembly.GetManifestResourceStream($"OrleansCache.Gateway.Landing.{name}")
            ?? throw new InvalidOperationException($"{name} is not in the program");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
