namespace OrleansCache.Testing;

/// <summary>A real Nix, and Nix stores of the test's own that it reads into.</summary>
public sealed class NixTool
{
    private readonly string? _debianRoot;

    private NixTool(string name, string? debianRoot) => (Name, _debianRoot) = (name, debianRoot);

    /// <summary>The machine's own Nix (2.8 on Debian 12), or null.</summary>
    public static NixTool? Installed { get; } = Programs.Missing("nix-store", "nix") is null ? new NixTool("installed", null) : null;

    /// <summary>
    /// A newer Nix, in the folder that <c>ORLEANS_CACHE_TEST_NEW_NIX</c> names (made by <c>eng/debian-root.sh</c>), or null.
    /// </summary>
    public static NixTool? Newer { get; } = InFolder("newer", "ORLEANS_CACHE_TEST_NEW_NIX");

    /// <summary>
    /// One of 2.33.2 or later, which sends a body again when it repeats a PUT, in the folder that <c>ORLEANS_CACHE_TEST_NEWEST_NIX</c>
    /// names, or null.
    /// </summary>
    public static NixTool? Newest { get; } = InFolder("newest", "ORLEANS_CACHE_TEST_NEWEST_NIX");

    /// <summary>The newest of those that are newer than the machine's, or null.</summary>
    public static NixTool? Latest => Newest ?? Newer;

    /// <summary>
    /// For what each Nix does alike: the oldest and the latest; with --full every one. What they may do otherwise, <see cref="All"/> tries.
    /// </summary>
    public static IReadOnlyList<NixTool> Tried => FullTests.MissingReason is null ? All
        : [.. new[] { Installed, Latest }.OfType<NixTool>()];

    /// <summary>Every Nix there is, old to new.</summary>
    public static IReadOnlyList<NixTool> All { get; } = [.. new[] { Installed, Newer, Newest }.OfType<NixTool>()];

    /// <summary><c>installed</c>, <c>newer</c> or <c>newest</c>.</summary>
    public string Name { get; }

    public static NixTool Named(string name) => All.Single(tool => tool.Name == name);

    public override string ToString() => Name;

    /// <summary>What the program says, e.g. <c>2.8.0</c>.</summary>
    public async Task<string> VersionAsync() => (await RunAsync("nix-store", ["--version"])).OrThrow().Output.Trim().Split(' ')[^1];

    /// <summary>Runs a Nix program.</summary>
    /// <param name="storeRoot">The folder of an isolated store (its paths lie in <c>DIR/nix/store</c>). Left out: the machine's
    /// store.</param>
    /// <param name="settings">More lines for nix.conf.</param>
    /// <param name="home">What it remembers of caches, and its files. Left out: nothing, and no files.</param>
    public async Task<ProcessResult> RunAsync(
        string program, IEnumerable<string> arguments, string? storeRoot = null, string settings = "", string? input = null,
        string? home = null)
    {
        // A home of its own: what a Nix knows about a cache (for 30 days) must not leak from one test to the next.
        using var empty = home is null ? new TempFolder("oc-nix-home-") : null;
        var environment = Environment(home ?? empty!.Path, storeRoot, settings);
        var (file, all) = Command(program, arguments);
        return await ProcessRunner.RunAsync(file, all, environment, input);
    }

    /// <summary>Starts a Nix program that the test can kill.</summary>
    public ProcessRunner Start(string program, IEnumerable<string> arguments, string settings, string home)
    {
        var (file, all) = Command(program, arguments);
        return ProcessRunner.Start(file, all, Environment(home, null, settings));
    }

    /// <summary>Makes a folder to come first in the PATH of another program, in which <c>nix</c> is this one.</summary>
    public TempFolder OnPath()
    {
        var folder = new TempFolder("oc-nix-path-");
        var run = _debianRoot is null ? "" : $"BIND={Path.GetTempPath()} {Repository.Script("debian-root.sh")} run {_debianRoot} ";
        // Further in, this folder would be found again.
        Script.Write(folder["nix"], $"#!/bin/sh\nexport PATH=\"${{PATH#*:}}\"\n{run}nix \"$@\"\n");
        return folder;
    }

    private static NixTool? InFolder(string name, string variable) =>
        System.Environment.GetEnvironmentVariable(variable) is { Length: > 0 } root && System.Environment.UserName == "root"
            ? new NixTool(name, root) : null;

    private (string File, string[] Arguments) Command(string program, IEnumerable<string> arguments) =>
        _debianRoot is null ? (program, [.. arguments])
            : (Repository.Script("debian-root.sh"), ["run", _debianRoot, program, .. arguments]);

    private static Dictionary<string, string?> Environment(string home, string? storeRoot, string settings) =>
        new()
        {
            ["HOME"] = home,
            ["XDG_CACHE_HOME"] = Path.Combine(home, "cache"),
            ["NIX_REMOTE"] = storeRoot is null ? null : $"local?root={storeRoot}",
            ["NIX_CONFIG"] = $"""
                build-users-group =
                experimental-features = nix-command ca-derivations
                sandbox = false
                require-sigs = true
                {settings}
                """,
            ["BIND"] = $"{Path.GetTempPath()} {storeRoot}",
        };

    /// <summary>Fetches paths, with their closures, from one cache and from nowhere else. Signatures are required.</summary>
    /// <param name="storeRoot">The isolated store; made when it is not there.</param>
    /// <param name="substituterUrl">The cache, as in nix.conf.</param>
    /// <param name="publicKey">The trusted keys, e.g. <c>cache-1:base64</c>.</param>
    /// <param name="paths">What is wanted.</param>
    /// <param name="home">What it remembers of caches. Left out: nothing.</param>
    public Task<ProcessResult> SubstituteAsync(string storeRoot, string substituterUrl, string publicKey, IEnumerable<string> paths,
        string? home = null, string more = "")
    {
        Directory.CreateDirectory(storeRoot);
        var settings = $"""
            substituters = {substituterUrl}
            trusted-public-keys = {publicKey}
            substitute = true
            max-jobs = 0
            connect-timeout = 5
            {more}
            """;
        return RunAsync("nix-store", ["--realise", .. paths], storeRoot, settings, home: home);
    }

    /// <summary>Reads every path of an isolated store again and compares it with its NarHash. Exit code 0 when all is well.</summary>
    public Task<ProcessResult> VerifyAsync(string storeRoot) => RunAsync("nix-store", ["--verify", "--check-contents"], storeRoot);
}
