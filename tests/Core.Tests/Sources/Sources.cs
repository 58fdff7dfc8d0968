using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Sources;

/// <summary>
/// The C# files below src, parsed, and bound as one compilation: packages that are not at hand leave holes in it, but no name of ours.
/// </summary>
internal sealed class Sources
{
    private const string Implicit = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly Lazy<Sources> Parsed = new(() => new Sources());

    private readonly CSharpCompilation _compilation;
    private readonly Lazy<List<(string File, string Uses)>> _uses;

    private Sources()
    {
        var src = Path.Combine(Repository.Root, "src");
        var options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview);
        Files = [.. Directory.EnumerateFiles(src, "*.cs", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(src, f))
            .Where(f => !f.Split('/').Any(folder => folder is "obj" or "bin")).Order(StringComparer.Ordinal)
            .Select(f => CSharpSyntaxTree.ParseText(File.ReadAllText(Path.Combine(src, f)), options, f))];
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(f => !Path.GetFileName(f).StartsWith("OrleansCache.", StringComparison.Ordinal))
            .Select(f => MetadataReference.CreateFromFile(f));
        _compilation = CSharpCompilation.Create("src", [.. Files, CSharpSyntaxTree.ParseText(Implicit, options)], references);
        _uses = new(FindUses);
    }

    public static Sources Of() => Parsed.Value;

    /// <summary>By path below src.</summary>
    public IReadOnlyList<SyntaxTree> Files { get; }

    /// <summary>Each file, and the files that declare what it names.</summary>
    public IReadOnlyList<(string File, string Uses)> Uses => _uses.Value;

    private List<(string File, string Uses)> FindUses() => [.. Files.AsParallel().SelectMany(file =>
    {
        var model = _compilation.GetSemanticModel(file);
        return file.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>().Select(name => model.GetSymbolInfo(name).Symbol)
            .Where(symbol => symbol is not null and not INamespaceSymbol)
            .SelectMany(symbol => symbol!.OriginalDefinition.DeclaringSyntaxReferences).Select(declared => declared.SyntaxTree.FilePath)
            .Where(other => other.Length > 0 && other != file.FilePath).Distinct().Select(other => (file.FilePath, other)).ToList();
    })];
}
