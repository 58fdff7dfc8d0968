using OrleansCache.Cli.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>What the database of a real Nix tells is what that Nix tells, in every field.</summary>
public sealed class RealStoreTests
{
    public static TheoryData<string> Versions => [.. NixTool.All.Select(tool => tool.Name)];

    [NixTheory]
    [MemberData(nameof(Versions))]
    public async Task The_database_of_a_new_store_tells_what_its_Nix_tells(string version)
    {
        var nix = NixTool.Named(version);
        using var store = new TempFolder();
        var sets = new List<ClosureSet>();
        // A newer Nix refuses the hash that this one gives to contents that mention themselves.
        foreach (var name in (string[])(nix == NixTool.Installed ? ["small", "edge", "ca"] : ["small", "edge"]))
            sets.Add(await Closures.GetAsync(name));
        (await NixTool.Installed!.RunAsync("nix",
            ["copy", "--to", $"file://{store["cache"]}?compression=none", .. sets.Select(set => set.Root)])).OrThrow();
        Directory.CreateDirectory(store["root"]);
        (await nix.RunAsync("nix", ["copy", "--no-check-sigs", "--from", $"file://{store["cache"]}", .. sets.Select(set => set.Root)],
            store["root"])).OrThrow();
        foreach (var key in (string[])["b-1", "a-2", "a"])
        {
            (await nix.RunAsync("nix-store", ["--generate-binary-cache-key", key, store[key], store[$"{key}.pub"]])).OrThrow();
            (await nix.RunAsync("nix", ["store", "sign", "--recursive", "--key-file", store[key], sets[0].Root], store["root"])).OrThrow();
        }

        await SameAsync(nix, store["root"], [.. sets.Select(set => set.Root)]);
    }

    [NixTheory]
    [MemberData(nameof(Versions))]
    public async Task The_database_of_this_machine_tells_what_each_Nix_tells(string version)
    {
        var nix = NixTool.Named(version);
        var roots = new List<string>();
        foreach (var set in (string[])["small", "edge", "ca"])
            roots.Add((await Closures.GetAsync(set)).Root);

        await SameAsync(nix, null, roots);

        var derivers = (await nix.RunAsync("nix-store", ["--query", "--deriver", .. roots])).OrThrow().Lines
            .Where(drv => drv.EndsWith(".drv", StringComparison.Ordinal)).ToList();
        var here = (await nix.RunAsync("nix-store", ["--check-validity", "--print-invalid", .. derivers])).Lines.ToHashSet();
        await SameAsync(nix, null, [.. derivers.Where(drv => !here.Contains(drv))], "--derivation");
    }

    private static async Task SameAsync(NixTool nix, string? root, IReadOnlyList<string> paths, params string[] options)
    {
        var told = await nix.RunAsync("nix", ["path-info", "--recursive", "--json", .. options, .. paths], root);
        if (told.ExitCode != 0 && told.Errors.Contains("--json-format", StringComparison.Ordinal))
            told = await nix.RunAsync("nix", ["path-info", "--recursive", "--json", "--json-format", "2", .. options, .. paths], root);
        var expected = PathInfoJson.Parse(System.Text.Encoding.UTF8.GetBytes(told.OrThrow().Output))
            .ToDictionary(info => info.Path.Hash);
        var database = NixPlaces.Of(root is null ? "" : $"local?root={root}", _ => null).Database;
        ClosureRows.RequireSchema(database);

        var found = new NixDatabase(database).Read(sqlite =>
        {
            using var rows = new ClosureRows(sqlite);
            return rows.Find(paths.Select(path => StorePath.Parse(path)), CancellationToken.None);
        }, onlyWithLog: true);

        Assert.NotEmpty(found);
        Assert.Equal(PathInfoText.Of(expected), PathInfoText.Of(found));
    }
}
