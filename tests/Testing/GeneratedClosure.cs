using System.Security.Cryptography;
using System.Text.Json;

namespace OrleansCache.Testing;

/// <summary>
/// A small closure that no other test has, in the machine's store, made in a moment: texts that refer to each other and to files of random
/// bytes.
/// </summary>
public sealed class GeneratedClosure : IAsyncDisposable
{
    private GeneratedClosure(IReadOnlyList<string> tops) => Tops = tops;

    /// <summary>Paths that each refer to a file of their own and to some of those before; the last reaches all.</summary>
    public IReadOnlyList<string> Tops { get; }

    public string Root => Tops[^1];

    /// <summary>Reaches about half of the paths.</summary>
    public string Half => Tops[(Tops.Count / 2) - 1];

    /// <summary>How many paths <see cref="Root"/> reaches, itself included. No two have the same content.</summary>
    public int Count => Tops.Count * 2;

    /// <summary>How many <see cref="Half"/> reaches.</summary>
    public int HalfCount => Tops.Count / 2 * 2;

    /// <param name="tops">Half of its paths are texts, half are files.</param>
    /// <param name="fileBytes">The size of each file; it does not compress.</param>
    public static async Task<GeneratedClosure> MakeAsync(int tops, int fileBytes = 2000)
    {
        using var folder = new TempFolder("oc-closure-");
        var id = Guid.NewGuid().ToString("n")[..12];
        for (var i = 0; i < tops; i++)
            await File.WriteAllBytesAsync(folder[$"f{i}"], RandomNumberGenerator.GetBytes(fileBytes));
        var expression = $$"""
            let
              file = i: builtins.path { path = {{folder.Path}} + "/f${toString i}"; name = "generated-{{id}}-file-${toString i}"; };
              texts = builtins.genList text {{tops}};
              at = builtins.elemAt texts;
              text = i: builtins.toFile "generated-{{id}}-text-${toString i}"
                "${file i} ${if i == 0 then "" else at (i - 1)} ${if i < 4 then "" else at (i / 2)} ${if i < 9 then "" else at (i / 3)}\n";
            in texts
            """;
        var made = (await NixTool.Installed!.RunAsync("nix-instantiate",
            ["--eval", "--strict", "--json", "--read-write-mode", "-E", expression])).OrThrow();
        return new GeneratedClosure(JsonSerializer.Deserialize<string[]>(made.Output)!);
    }

    /// <summary>Removes it from the store.</summary>
    public async ValueTask DisposeAsync()
    {
        var paths = (await NixTool.Installed!.RunAsync("nix-store", ["--query", "--requisites", Root])).OrThrow().Lines;
        await NixTool.Installed.RunAsync("nix-store", ["--delete", .. paths]);
    }
}
