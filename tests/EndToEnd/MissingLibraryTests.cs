using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Programs on a machine whose libzstd cannot be loaded.</summary>
public sealed class MissingZstdTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string?> _environment;

    public MissingZstdTests()
    {
        Directory.CreateDirectory(_folder["lib"]);
        Directory.CreateDirectory(_folder["bin"]);
        // The loader ends its search at a file that is no library.
        File.WriteAllText(_folder["lib/libzstd.so.1"], "");
        // Nix has a libzstd of its own there.
        File.WriteAllText(_folder["bin/nix"], $"#!/bin/sh\nunset LD_LIBRARY_PATH\nexec {Programs.Find("nix")} \"$@\"\n");
        File.SetUnixFileMode(_folder["bin/nix"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _environment = new() { ["LD_LIBRARY_PATH"] = _folder["lib"], ["PATH"] = $"{_folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}", ["XDG_CONFIG_HOME"] = _folder["no-config"] };
    }

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task A_closure_goes_in_and_out_and_both_programs_say_what_compresses()
    {
        await using var server = await ServerProcess.StartAsync(_environment, "--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync());
        await using var closure = await GeneratedClosure.MakeAsync(4);

        (await ClientAsync("push", closure.Root)).OrThrow();
        var doctor = (await ClientAsync("doctor")).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Contains("zstd: ZstdSharp", server.Greeting, StringComparison.Ordinal);
        Assert.Contains("warning  zstd            ZstdSharp", doctor.Output, StringComparison.Ordinal);

        Task<ProcessResult> ClientAsync(params string[] arguments) => ProcessRunner.RunAsync(
            BuiltProgram.Cli, [.. arguments, "--url", server.Url.ToString(), "--token-file", server.TokenFile], _environment, timeout: TimeSpan.FromMinutes(2));
    }

    [NixFact]
    public async Task With_libzstd_both_name_its_version()
    {
        await using var server = await ServerProcess.StartAsync();
        var doctor = (await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file", server.TokenFile)).OrThrow();
        Assert.Matches(@"\nzstd: libzstd 1\.\d+\.\d+\n", server.Greeting);
        Assert.Matches(@"\nok       zstd            libzstd 1\.\d+\.\d+\n", doctor.Output);
    }
}
