using Microsoft.CodeAnalysis.CSharp;
using OrleansCache.Testing;
using Xunit;
using Xunit.Abstractions;

namespace OrleansCache.Core.Tests.Sources;

public sealed class FolderTests(ITestOutputHelper output)
{
    private const int MaxColumns = 140;
    private const int MaxLines = 300;

    // From the top.
    private static readonly string[] Projects = ["Cli", "Gateway", "Silo", "Grains", "Core", "Contracts", "Nix"];

    // One thing each that does not come apart: a pipeline of three stages, the operations of a store.
    private static readonly string[] LongFiles =
    [
        "Cli/Push/NarPipeline.cs", "Core/Store/Local/DirectoryMultipart.cs", "Core/Store/Local/DirectoryObjectStore.cs",
    ];

    /// <summary>A folder that uses another is above it: whoever changes a file knows by its folder who can notice.</summary>
    [Fact]
    public void Arrows_between_folders_point_down_only_and_the_document_shows_them()
    {
        var arrows = Sources.Of().Uses.Select(u => (From: FolderOf(u.File), To: FolderOf(u.Uses))).Where(a => a.From != a.To).Distinct()
            .GroupBy(a => a.From, a => a.To).ToDictionary(g => g.Key, g => g.ToHashSet(StringComparer.Ordinal), StringComparer.Ordinal);

        // From the floor up: a folder stands when all that it uses does. What never does is in a circle.
        var rows = new List<string>();
        var open = Sources.Of().Files.Select(f => FolderOf(f.FilePath)).Distinct().Order(StringComparer.Ordinal).ToList();
        while (open.Find(f => !arrows.GetValueOrDefault(f, []).Any(open.Contains)) is { } next)
        {
            open.Remove(next);
            var uses = string.Join(", ", arrows.GetValueOrDefault(next, []).Select(to => Shown(next, to)).Distinct()
                .Order(StringComparer.Ordinal));
            rows.Add(uses.Length == 0 ? next : $"{next} -> {uses}");
        }

        rows = [.. Enumerable.Reverse(rows).OrderBy(r => Array.IndexOf(Projects, ProjectOf(r)))];
        var graph = string.Join('\n', rows);
        output.WriteLine(graph);
        var circles = open.SelectMany(f => arrows[f].Where(open.Contains).Select(t => $"{f} -> {t}: " + string.Join(", ", Sources.Of().Uses
            .Where(u => FolderOf(u.File) == f && FolderOf(u.Uses) == t)
                .Select(u => $"{Path.GetFileName(u.File)} ({Path.GetFileName(u.Uses)})"))));
        Assert.True(open.Count == 0, "These folders use each other:\n" + string.Join('\n', circles));
        var document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "architecture.md"));
        Assert.True(document.Contains($"```text\n{graph}\n```", StringComparison.Ordinal),
            $"docs/architecture.md shows another graph. It is now:\n{graph}");
    }

    /// <summary>A string, which may be SQL or a sentence that is read as one, goes on for as long as it has to.</summary>
    [Fact]
    public void No_line_is_longer_than_140_columns_but_for_a_string()
    {
        var tooLong =
            from file in Sources.Of().Files
            from line in file.GetText().Lines
            where line.End - line.Start > MaxColumns && !IsText(file.GetRoot().FindToken(line.Start + MaxColumns - 1))
            select $"{file.FilePath}({line.LineNumber + 1})";

        Assert.Empty(tooLong);

        static bool IsText(Microsoft.CodeAnalysis.SyntaxToken token) => token.Parent?.AncestorsAndSelf().Any(n => n.Kind()
            is SyntaxKind.StringLiteralExpression or SyntaxKind.InterpolatedStringExpression or SyntaxKind.Utf8StringLiteralExpression) == true;
    }

    [Fact]
    public void Files_of_more_than_300_lines_are_the_exception()
    {
        var src = Path.Combine(Repository.Root, "src");
        var tooLong = Directory.EnumerateFiles(src, "*", SearchOption.AllDirectories).Where(f => Path.GetExtension(f) is ".cs" or ".sql")
            .Select(f => Path.GetRelativePath(src, f)).Where(f => !f.Split('/').Any(folder => folder is "obj" or "bin"))
            .Where(f => File.ReadLines(Path.Combine(src, f)).Count() > MaxLines).Order(StringComparer.Ordinal);

        Assert.Equal(LongFiles, tooLong);
    }

    // Of another project only the project, of its own the rest of the name.
    private static string Shown(string from, string to)
    {
        var project = ProjectOf(to);
        return project != ProjectOf(from) || to == project ? project : to[(project.Length + 1)..];
    }

    private static string ProjectOf(string folder) => folder.Split('/', ' ')[0];

    private static string FolderOf(string file) => Path.GetDirectoryName(file)!;
}
