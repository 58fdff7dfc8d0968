using OrleansCache.Testing;
using Xunit;
using Xunit.Abstractions;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>
/// Every client that can be had, of every version, on both stores: it pushes, is refused as documented, and every Nix reads what it pushed.
/// </summary>
public sealed class ClientMatrixTests(ITestOutputHelper output)
{
    [NixFact]
    public async Task Every_client_pushes_is_read_back_and_is_refused_as_documented()
    {
        var table = new ClientTable();

        await TryAllAsync(table, onS3: false);
        if (CephServer.MissingReason is { } reason)
            foreach (var row in ClientRows.Tried)
                table.AddMissing(row, "S3", reason);
        else
            await TryAllAsync(table, onS3: true);
        foreach (var row in ClientRows.Untried)
            table.AddUntried(row);

        output.WriteLine(table.ToString());
        var file = Path.Combine(Repository.Root, "artifacts", "test", "clients.md");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, table.ToString());
        Assert.Empty(table.Differences);
    }

    /// <summary>The page's tables are those of <see cref="ClientRows"/>, but for the versions, which change.</summary>
    [Fact]
    public async Task The_page_has_the_rows_of_the_matrix()
    {
        var rows = (await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "docs", "clients.md")))
            .Where(line => line.StartsWith('|'))
            .Select(line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => !cells[0].StartsWith('-') && cells[0] != "Client").ToList();

        Assert.Equal(ClientRows.Tried.Select(r =>
                $"{r.Client}, {r.Protocol}: {r.Documented.NoToken}; {r.Documented.WrongScope}; {r.Documented.MissingReference}"),
            rows.Where(r => r.Length == 6).Select(r => $"{r[0]}, {r[1]}: {r[3]}; {r[4]}; {r[5]}"));
        Assert.Equal(ClientRows.Untried, rows.Where(r => r.Length == 3).Select(r => new UntriedRow(r[0], r[1], r[2])));
        Assert.DoesNotContain(rows, r => r.Length is not (3 or 6));
    }

    private static async Task TryAllAsync(ClientTable table, bool onS3)
    {
        await using var server = await MatrixServer.StartAsync(onS3);
        var cells = ClientRows.Tried.Where(r => r.MissingReason is null).Select(r => new Cell(r, r.Try(server))).ToList();
        try
        {
            await Task.WhenAll(cells.Select(c => c.Try.PrepareAsync()));
            await server.CollectAllAsync();
            await Task.WhenAll(cells.Select(c => c.RunAsync(server)));
            await Task.WhenAll(NixTool.All.SelectMany(nix => server.Substituters.Select(s => ReadAsync(table, server, nix, s, cells))));
            foreach (var row in ClientRows.Tried)
            {
                if (cells.SingleOrDefault(c => c.Row == row) is { } cell)
                    table.AddTried(row, await row.Version(), server.Store, cell.Pushed, string.Join(", ", cell.ReadBack.Order()),
                        cell.Refusals);
                else
                    table.AddMissing(row, server.Store, row.MissingReason!);
            }
        }
        finally
        {
            foreach (var cell in cells)
                await cell.Try.DisposeAsync();
        }
    }

    /// <summary>Has one Nix read all that was pushed from one place, with its signatures, and then with a key that signed none.</summary>
    private static async Task ReadAsync(ClientTable table, MatrixServer server, NixTool nix, (string Name, string Url) from,
        List<Cell> cells)
    {
        using var store = new TempFolder("oc-read-");
        using var other = new TempFolder("oc-read-");
        string[] paths = ["--keep-going", .. cells.Select(c => c.Try.Root)];
        var version = await nix.VersionAsync();

        await nix.SubstituteAsync(store.Path, from.Url, server.Process.PublicKey, paths);
        await nix.SubstituteAsync(other.Path, from.Url, "other-1:" + Convert.ToBase64String(new byte[32]), paths);
        var isWhole = (await nix.VerifyAsync(store.Path)).ExitCode == 0;
        // What has been registered with its closure; a file may also be there of what was refused.
        var got = (await nix.RunAsync("nix-store", ["--check-validity", "--print-invalid", .. paths.Skip(1)], store.Path)).Lines;
        var read = cells.Where(c => isWhole && !got.Contains(c.Try.Root)).ToList();
        var refused = (await nix.RunAsync("nix-store", ["--check-validity", "--print-invalid", .. paths.Skip(1)], other.Path)).Lines;

        lock (table)
        {
            foreach (var cell in read)
                cell.ReadBack.Add($"{version} ({from.Name})");
            table.AddRead("Nix", version, $"{from.Name}, {server.Store}", cells.Count,
                [.. cells.Except(read).Select(c => c.Row.Client)], cells.Count - refused.Length);
        }
    }

    /// <summary>One row on one store.</summary>
    private sealed class Cell(ClientRow row, ClientTry attempt)
    {
        public ClientRow Row => row;

        public ClientTry Try => attempt;

        public string Pushed { get; private set; } = "";

        public Refusals Refusals { get; private set; } = new("", "", "");

        public List<string> ReadBack { get; } = [];

        // What was refused has left nothing, so the same closure is pushed in the end.
        public async Task RunAsync(MatrixServer server)
        {
            var noToken = await attempt.PushAsync(null);
            var wrongScope = await attempt.PushAsync(server.ReadTokenFile);
            Refusals = new Refusals(noToken, wrongScope, await attempt.PushWithMissingReferenceAsync(row.Documented.MissingReference));
            Pushed = await attempt.PushAsync(server.Process.TokenFile);
        }
    }
}
