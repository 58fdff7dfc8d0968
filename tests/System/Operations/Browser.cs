using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>A headless Chromium with a profile of its own.</summary>
internal sealed class Browser : IDisposable
{
    private readonly TempFolder _profile = new("oc-chromium-");
    private readonly ChromeDriverService _service;

    /// <param name="width">Of the window, in pixels of CSS.</param>
    /// <param name="height">Of the window.</param>
    /// <param name="scale">Pixels of the picture for one of CSS.</param>
    /// <param name="dark">What the user prefers.</param>
    /// <param name="hosts">Names that are not to be looked up, as <c>MAP name address</c>.</param>
    public Browser(int width = 1100, int height = 1000, double scale = 1, bool dark = false, string hosts = "")
    {
        var options = new ChromeOptions { BinaryLocation = Programs.Find("chromium")! };
        options.AddArguments(
            "--headless=new", $"--user-data-dir={_profile.Path}", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
            "--hide-scrollbars",
            // Nothing but the server is asked: neither the maker of the browser nor a proxy.
            "--disable-background-networking", "--disable-component-update", "--no-proxy-server", $"--host-resolver-rules={hosts}");
        // Chromium's own sandbox does not work for root.
        if (Environment.UserName == "root")
            options.AddArgument("--no-sandbox");
        var driver = Programs.Find("chromedriver")!;
        _service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(driver)!, Path.GetFileName(driver));
        _service.SuppressInitialDiagnosticInformation = true;
        Driver = new ChromeDriver(_service, options);
        // Windows have a least width that phones are below.
        Command("Emulation.setDeviceMetricsOverride", new()
        {
            ["width"] = width,
            ["height"] = height,
            ["deviceScaleFactor"] = scale,
            ["mobile"] = width < 600
        });
        Command("Emulation.setEmulatedMedia",
            new()
            {
                ["features"] = (object[])[new Dictionary<string, object> { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark"
            : "light" }]
            });
    }

    public ChromeDriver Driver { get; }

    /// <summary>Null when there is a browser to test with.</summary>
    public static string? MissingReason { get; } = Programs.Missing("chromium", "chromedriver");

    public object? Command(string name, Dictionary<string, object?> parameters) => Driver.ExecuteCdpCommand(name, parameters);

    public object? Run(string script) => Driver.ExecuteScript(script);

    /// <summary>The whole page, however long it is.</summary>
    public byte[] Picture() =>
        Convert.FromBase64String(
        (string)((IDictionary<string, object>)Command("Page.captureScreenshot", new() { ["captureBeyondViewport"] = true })!)["data"]);

    /// <summary>What the console has said, which is nothing when all is well.</summary>
    public IReadOnlyList<string> Complaints() => [.. Driver.Manage().Logs.GetLog(LogType.Browser).Select(l => l.Message)];

    public void Dispose()
    {
        Driver.Dispose();
        _service.Dispose();
        _profile.Dispose();
    }
}

/// <summary>A test that needs Chromium and ChromeDriver; skipped, with the reason, where they are not installed.</summary>
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute() => Skip = Browser.MissingReason;
}

/// <inheritdoc cref="BrowserFactAttribute"/>
public sealed class BrowserTheoryAttribute : TheoryAttribute
{
    public BrowserTheoryAttribute() => Skip = Browser.MissingReason;
}
