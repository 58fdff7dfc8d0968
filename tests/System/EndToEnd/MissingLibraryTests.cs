using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Programs on a machine whose libzstd and libbz2 cannot be loaded.</summary>
public sealed class MissingLibraryTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string?> _environment;

    public MissingLibraryTests()
    {
        Directory.CreateDirectory(_folder["lib"]);
        Directory.CreateDirectory(_folder["bin"]);
        // The loader ends its search at a file that is no library.
        foreach (var library in (string[])["libzstd.so.1", "libbz2.so.1"])
            File.WriteAllText(Path.Combine(_folder["lib"], library), "");
        // Nix has its own there.
        Script.Write(_folder["bin/nix"], $"#!/bin/sh\nunset LD_LIBRARY_PATH\nexec {Programs.Find("nix")} \"$@\"\n");
        _environment = new()
        {
            ["LD_LIBRARY_PATH"] = _folder["lib"],
            ["PATH"] = $"{_folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}",
            ["XDG_CONFIG_HOME"] = _folder["no-config"]
        };
    }

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task A_closure_goes_in_and_out_and_both_programs_say_what_compresses()
    {
        await using var server = await ServerProcess.StartAsync(_environment, "--postgres", await (await PostgresServer.Shared)
            .CreateDatabaseAsync());
        await using var closure = await GeneratedClosure.MakeAsync(4);

        (await ClientAsync(server, "push", closure.Root)).OrThrow();
        var doctor = (await ClientAsync(server, "doctor")).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Contains("zstd: ZstdSharp", server.Greeting, StringComparison.Ordinal);
        Assert.Contains("warning  zstd            ZstdSharp", doctor.Output, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task Build_logs_stay_out_with_the_reason_and_all_else_goes_in()
    {
        await using var server = await ServerProcess.StartAsync();
        var set = await Closures.GetAsync("small");

        var push = (await ClientAsync(server, "push", set.Root)).OrThrow();

        // The set's last fifth was built with logs.
        Assert.Equal(10, push.Errors.Split('\n')
            .Count(line => line.Contains(".bz2 is not sent: libbz2.so.1 cannot be loaded", StringComparison.Ordinal)));
        Assert.Equal(set.Paths.Count, (await CacheScan.NarInfosAsync(server.Objects)).Count);
    }

    [NixFact]
    public async Task With_libzstd_both_name_its_version()
    {
        await using var server = await ServerProcess.StartAsync();
        var doctor = (await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file", server.TokenFile)).OrThrow();
        Assert.Matches(@"\nzstd: libzstd 1\.\d+\.\d+\n", server.Greeting);
        Assert.Matches(@"\nok       zstd            libzstd 1\.\d+\.\d+\n", doctor.Output);
    }

    private Task<ProcessResult> ClientAsync(ServerProcess server, params string[] arguments) => ProcessRunner.RunAsync(
        BuiltProgram.Cli, [.. arguments, "--url", server.Url.ToString(), "--token-file", server.TokenFile], _environment,
        timeout: TimeSpan.FromMinutes(2));
}
