using System.Text.RegularExpressions;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>The expressions of the packages, as far as they can be looked at without nixpkgs.</summary>
public sealed partial class NixPackageTests
{
    [Fact]
    public void Every_library_that_is_opened_by_its_name_gets_an_absolute_path()
    {
        var patched = new[] { "source.nix", "client.nix", "server.nix" }.SelectMany(file => Patch().Matches(Text("nix", file)))
            .Select(m => (File: m.Groups["file"].Value, Library: m.Groups["library"].Value)).ToHashSet();

        Assert.All(patched, p => Assert.Contains($"\"{p.Library}\"", Text(p.File), StringComparison.Ordinal));
        var opened = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => Library().Matches(File.ReadAllText(file))
                .Select(m => (File: Path.GetRelativePath(Repository.Root, file), Library: m.Groups[1].Value)))
            .Where(o => o.Library != "libc.so.6").ToHashSet();
        Assert.NotEmpty(opened);
        Assert.Empty(opened.Except(patched));
    }

    [ProgramFact("openssl")]
    public async Task The_locked_packages_are_those_that_the_programs_are_built_from()
    {
        var checkedAgain = await ProcessRunner.RunAsync(Repository.Script("nix-deps"), ["--check"]);

        Assert.True(checkedAgain.ExitCode == 0, checkedAgain.Output + checkedAgain.Errors);
    }

    [NixModulesTheory]
    [InlineData("client", "orleans-cache")]
    [InlineData("server", "orleans-cache-server")]
    public async Task A_package_is_of_the_programs_version_and_finds_its_libraries(string file, string name)
    {
        var package = await NixModules.EvaluateExpressionAsync($$"""
            let
              argument = n: { outPath = "/nix/store/${n}"; sdk_10_0 = "sdk"; aspnetcore_10_0 = "aspnetcore"; cc = "cc"; };
              package = import ./nix/{{file}}.nix (lib.mapAttrs (n: _: argument n)
                (builtins.functionArgs (import ./nix/{{file}}.nix)) // { inherit lib; buildDotnetModule = a: a; });
            in {
              inherit (package) pname version postPatch;
              project = builtins.pathExists (./. + "/${package.projectFile}");
            }
            """);

        Assert.Equal((name, BuiltVersion(), true),
            (package.GetProperty("pname").GetString(), package.GetProperty("version").GetString(),
                package.GetProperty("project").GetBoolean()));
        Assert.Contains("\"/nix/store/zstd/lib/libzstd.so.1\"", package.GetProperty("postPatch").GetString(), StringComparison.Ordinal);
    }

    private static string BuiltVersion() => Version().Match(Text("Directory.Build.props")).Groups[1].Value;

    private static string Text(params string[] path) => File.ReadAllText(Path.Combine([Repository.Root, .. path]));

    [GeneratedRegex("""absolute "(?<file>[^"]+)" "(?<library>[^"]+)" """)]
    private static partial Regex Patch();

    [GeneratedRegex("""const string Library = "(lib[a-z0-9]+\.so\.[0-9]+)";""")]
    private static partial Regex Library();

    [GeneratedRegex("<Version>(.*)</Version>")]
    private static partial Regex Version();
}
