using System.Text.Json;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>
/// What the NixOS modules make of a configuration: evaluated by a real Nix, with nixpkgs' library and stand-ins for NixOS.
/// </summary>
internal sealed class NixModules
{
    private static readonly Lazy<string?> Library = new(FindLibrary);

    private readonly JsonElement _evaluated;

    private NixModules(JsonElement evaluated) => _evaluated = evaluated;

    /// <summary>Null when Nix and the library are there, else why not.</summary>
    public static string? MissingReason => Programs.Missing("nix-instantiate", "systemd-analyze")
        ?? (Library.Value is not null ? null
            : "no library of nixpkgs: ORLEANS_CACHE_TEST_NIXPKGS_LIB names no folder, and NIX_PATH has no nixpkgs");

    /// <summary>The text of each unit, by its name.</summary>
    public IEnumerable<(string Name, string Text)> Units =>
        _evaluated.GetProperty("units").EnumerateObject().Select(unit => (unit.Name, unit.Value.GetString()!));

    public SystemdUnit Unit(string name) => new(_evaluated.GetProperty("units").GetProperty(name).GetString()!);

    /// <summary>A setting of nix.conf.</summary>
    public JsonElement Nix(string name) => _evaluated.GetProperty("nix").GetProperty(name);

    /// <summary>The settings of a daemon of launchd.</summary>
    public JsonElement Daemon(string name) => _evaluated.GetProperty("daemons").GetProperty(name);

    public IEnumerable<int> Ports => _evaluated.GetProperty("ports").EnumerateArray().Select(port => port.GetInt32());

    public JsonElement Host(string name) => _evaluated.GetProperty("hosts").GetProperty(name);

    /// <param name="configuration">A NixOS configuration.</param>
    /// <param name="programs">The folder whose <c>bin</c> stands for both packages.</param>
    /// <param name="darwin">It is one of nix-darwin.</param>
    public static async Task<NixModules> EvaluateAsync(string configuration, string programs = "/usr", bool darwin = false) =>
        new(JsonDocument.Parse((await RunAsync(configuration, programs, darwin)).OrThrow().Output).RootElement);

    public static async Task<ProcessResult> RunAsync(string configuration, string programs = "/usr", bool darwin = false)
    {
        using var folder = new TempFolder("oc-modules-");
        await File.WriteAllTextAsync(folder["configuration.nix"], configuration);
        return await EvalAsync(["nix/tests/evaluate.nix", "--arg", "library", Library.Value!,
            "--arg", "configuration", folder["configuration.nix"], "--argstr", "programs", programs,
            "--arg", "darwin", darwin ? "true" : "false"]);
    }

    /// <summary>The value of an expression in which <c>lib</c> is the library.</summary>
    public static async Task<JsonElement> EvaluateExpressionAsync(string expression) =>
        JsonDocument.Parse((await EvalAsync(["-E", $"let lib = import {Library.Value}; in {expression}"])).OrThrow().Output).RootElement;

    private static Task<ProcessResult> EvalAsync(IEnumerable<string> arguments) =>
        ProcessRunner.RunAsync("nix-instantiate", ["--eval", "--strict", "--json", "--read-write-mode", .. arguments],
            new Dictionary<string, string?> { ["NIX_CONFIG"] = "build-users-group =" }, folder: Repository.Root);

    private static string? FindLibrary()
    {
        if (Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_NIXPKGS_LIB") is { Length: > 0 } named)
            return named;
        if (Programs.Find("nix-instantiate") is not { } nix)
            return null;
        var found = ProcessRunner.RunAsync(nix, ["--find-file", "nixpkgs/lib"]).GetAwaiter().GetResult();
        return found.ExitCode == 0 ? found.Output.Trim() : null;
    }
}

/// <summary>A test of <see cref="NixModules"/>; skipped, with the reason, where they cannot be evaluated.</summary>
public sealed class NixModulesFactAttribute : FactAttribute
{
    public NixModulesFactAttribute() => Skip = NixModules.MissingReason;
}

/// <inheritdoc cref="NixModulesFactAttribute"/>
public sealed class NixModulesTheoryAttribute : TheoryAttribute
{
    public NixModulesTheoryAttribute() => Skip = NixModules.MissingReason;
}
