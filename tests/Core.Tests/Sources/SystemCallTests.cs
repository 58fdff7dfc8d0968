using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Sources;

/// <summary>What differs between systems stands in one folder, so that the client can be built for all of them.</summary>
public sealed partial class SystemCallTests
{
    private const string Seam = "Nix/Unix/";

    // The server's own. It runs on Linux alone.
    private static readonly string[] LinuxOnly = ["Core/Store/Local/Posix.cs", "Gateway/Embedded/Posix.cs"];

    [Fact]
    public void Only_the_folder_of_the_systems_declares_a_call_of_a_system()
    {
        var files = Declarations().Where(d => IsSystem(d.Library)).Select(d => d.File).Distinct().ToList();

        Assert.Equal(LinuxOnly, files.Where(f => !f.StartsWith(Seam, StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("Nix/Unix/Libc.cs", files);
    }

    [Fact]
    public void The_name_of_each_other_library_of_the_client_is_known_on_macOS()
    {
        var names = File.ReadAllText(Path.Combine(Repository.Root, "src", "Nix", "Unix", "LibraryNames.cs"));
        var libraries = Declarations().Where(d => d.File.StartsWith("Cli/", StringComparison.Ordinal)
            || d.File.StartsWith("Nix/", StringComparison.Ordinal)).Select(d => d.Library).Where(l => !IsSystem(l)).Distinct().ToList();

        Assert.Contains("libsqlite3.so.0", libraries);
        Assert.All(libraries, library => Assert.Contains($"\"{library}\" =>", names, StringComparison.Ordinal));
    }

    private static bool IsSystem(string library) => library.StartsWith("Platform.", StringComparison.Ordinal)
        || library.StartsWith("libc", StringComparison.Ordinal) || library.StartsWith("libSystem", StringComparison.Ordinal);

    /// <summary>Each import, by its file and its library; that of a constant is the constant's value.</summary>
    private static IEnumerable<(string File, string Library)> Declarations()
    {
        var src = Path.Combine(Repository.Root, "src");
        foreach (var path in Directory.EnumerateFiles(src, "*.cs", SearchOption.AllDirectories))
        {
            var file = Path.GetRelativePath(src, path);
            if (file.Split('/').Any(folder => folder is "obj" or "bin"))
                continue;
            var text = File.ReadAllText(path);
            foreach (Match import in Import().Matches(text))
            {
                var named = import.Groups[1].Value;
                var value = named[0] == '"' ? named.Trim('"') : Regex.Match(text, $"const string {named} = \"([^\"]+)\"").Groups[1].Value;
                yield return (file, value.Length > 0 ? value : named);
            }
        }
    }

    [GeneratedRegex(@"\[(?:LibraryImport|DllImport)\(([^,)]+)")]
    private static partial Regex Import();
}
