using System.Text;
using System.Text.Json;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>A realisation: the store path that an output of a content-addressed derivation became.</summary>
/// <param name="Id"><c>sha256:hex!output</c>, or <c>hash-name.drv^output</c> for the build traces of Nix 2.35 and later.</param>
/// <param name="Json">In the form that Nix writes into a binary cache.</param>
internal sealed record Realisation(RealisationId Id, StorePathHash Path, string Json);

/// <summary>
/// Finds the realisations of a closure in Nix's database. No command of Nix leads from an output path to its realisations
/// (<c>nix realisation info</c> wants the derivation, and then names that of the resolved derivation only), so the database is read.
/// The tables are independent of each other: <c>Realisations</c> up to 2.34, <c>BuildTraceV2/V3</c> later.
/// </summary>
internal sealed class Realisations(string database)
{
    /// <summary>
    /// Only an output of a content-addressed derivation has a realisation that anybody needs: it has a content address and a deriver.
    /// </summary>
    public static bool MayHave(PathInfo info) => info.Ca is not null && info.Deriver is not null && !info.Path.IsDerivation;

    /// <summary>The realisations of those outputs; <paramref name="warning"/> says why none could be read.</summary>
    public List<Realisation> Find(IReadOnlyDictionary<StorePathHash, PathInfo> closure, out string? warning)
    {
        warning = null;
        var outputs = closure.Values.Where(MayHave).ToList();
        if (outputs.Count == 0)
            return [];
        try
        {
            return new NixDatabase(database).Read(sqlite => Read(sqlite, outputs));
        }
        catch (SqliteException e)
        {
            warning = $"{database} cannot be read: {e.Message}; the realisations of content-addressed derivations are not sent";
            return [];
        }
    }

    private static List<Realisation> Read(Sqlite sqlite, List<PathInfo> outputs)
    {
        var found = new List<Realisation>();
        foreach (var output in outputs)
        {
            Old(sqlite, output, found);
            BuildTrace(sqlite, "BuildTraceV2", output, found);
            BuildTrace(sqlite, "BuildTraceV3", output, found);
        }

        return [.. found.DistinctBy(realisation => realisation.Id)];
    }

    private static void Old(Sqlite sqlite, PathInfo output, List<Realisation> found)
    {
        var rows = sqlite.Query(
            "select r.id, r.drvPath, r.outputName, r.signatures from Realisations r join ValidPaths v on v.id = r.outputPath where " +
                "v.path = ? order by r.id", output.Path.ToString());
        foreach (var row in rows ?? [])
        {
            var dependencies = sqlite.Query(
                "select d.drvPath, d.outputName, v.path from RealisationsRefs f join Realisations d on d.id = f.realisationReference " +
                "join ValidPaths v on v.id = d.outputPath where f.referrer = ? order by d.drvPath, d.outputName", row[0]!) ?? [];
            if (!RealisationId.TryParse($"{row[1]}!{row[2]}", out var id))
                continue;
            found.Add(new Realisation(id, output.Path.Hash, Json(output.Path, row[3], writer =>
            {
                writer.WriteStartObject("dependentRealisations");
                foreach (var dependency in dependencies)
                    writer.WriteString($"{dependency[0]}!{dependency[1]}", StorePath.Parse(dependency[2]).BaseName);
                writer.WriteEndObject();
                writer.WriteString("id", id.ToString());
            })));
        }
    }

    private static void BuildTrace(Sqlite sqlite, string table, PathInfo output, List<Realisation> found)
    {
        foreach (var row in sqlite.Query($"select drvPath, outputName, signatures from {table} where outputPath in (?, ?)",
            output.Path.ToString(), output.Path.BaseName) ?? [])
        {
            if (StorePath.TryParse(row[0], out var drv) && RealisationId.TryParse($"{drv.BaseName}^{row[1]}", out var id))
                found.Add(new Realisation(id, output.Path.Hash, Json(output.Path, row[2], _ => { })));
        }
    }

    // The members are in alphabetical order, as Nix prints them.
    private static string Json(StorePath output, string? signatures, Action<Utf8JsonWriter> first)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream,
            new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            first(writer);
            writer.WriteString("outPath", output.BaseName);
            writer.WriteStartArray("signatures");
            foreach (var signature in (signatures ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
                writer.WriteStringValue(signature);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
