using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>A server whose page has something to show: pins, a collection, and numbers.</summary>
public sealed class FilledServer : IAsyncLifetime, IDisposable
{
    /// <summary>What it says that its clients reach it under.</summary>
    public const string Host = "cache.example.org";

    private const int MaxPin = 64;
    private readonly TempFolder _folder = new();
    private RunningServer? _server;

    internal RunningServer Server => _server!;

    /// <summary>By name; the last is as long as names can be.</summary>
    public static (string Name, string Path)[] Pins { get; } =
    [
        ("dev-shell", "project-dev-shell"), ("website-prod", "nixos-system-web-25.11.20261120.4f0bd9f"),
            ("website-staging", "nixos-system-web-25.11.20261123.e21ba7d"),
        (new string('z', MaxPin), new string('n', 180)),
    ];

    public async Task InitializeAsync()
    {
        await File.WriteAllTextAsync(_folder["key"], SecretKey.Generate($"{Host}-1").Export());
        _server = await RunningServer.StartAsync("--public-url", $"http://{Host}", "--sign-key", _folder["key"]);
        foreach (var (pin, path) in Pins)
            await HttpPush.RunAsync(_server.Client, path, pin);
        using (var collected = await _server.Client.PostAsync(new Uri("/v1/caches/default/gc", UriKind.Relative),
            new StringContent("{}", Encoding.UTF8, "application/json")))
            collected.EnsureSuccessStatusCode();
        var page = "";
        // The numbers are asked for once a minute.
        await Eventually.BecomesTrueAsync(
            async () => (page = await _server.Client.GetStringAsync(new Uri("/", UriKind.Relative)))
                .Contains("<dt>Store paths</dt><dd>4</dd>", StringComparison.Ordinal)
                && page.Contains("Last run", StringComparison.Ordinal),
            TimeSpan.FromSeconds(100), () => page);
    }

    public async Task DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }

    public void Dispose() => _folder.Dispose();
}
