using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Sources;

public sealed partial class SourceTests
{
    [Fact]
    public void No_SQL_on_catalog_tables_stands_outside_Core()
    {
        var core = Path.Combine(Repository.Root, "src", "Core") + Path.DirectorySeparatorChar;
        var sources = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*", SearchOption.AllDirectories)
            .Where(f => Path.GetExtension(f) is ".cs" or ".sql" && !f.Contains("/obj/", StringComparison.Ordinal)
                && !f.Contains("/bin/", StringComparison.Ordinal)).ToList();

        var outside = sources.Where(f => !f.StartsWith(core, StringComparison.Ordinal) && StatementOnCatalog()
            .IsMatch(File.ReadAllText(f)));
        var inside = sources.Where(f => f.StartsWith(core, StringComparison.Ordinal) && StatementOnCatalog().IsMatch(File.ReadAllText(f)));

        Assert.Empty(outside);
        Assert.NotEmpty(inside);
    }

    // A mention in a comment is no statement.
    [GeneratedRegex(
        @"^(?!\s*(//|--|\*)).*\b(select\b.*\bfrom|insert\s+into|delete\s+from|update|alter\s+table|create\s+table|\bfrom|\bjoin)\s+(only\s+)?(public\.)?(gc_epoch|gc_run|moving_path|moving_object|tombstone|nar_alias|nix_pending|waiting_path|store_path|push_path|push_object|schema_version|(cache|object|push|root|pin|token)(?=\s+(\w{1,2}\s+)?(where|set|join|for|order|group|limit|values|\()|\s*\(|\s+\w{1,2}\s+where|""))\b", RegexOptions.IgnoreCase | RegexOptions.Multiline)]
    private static partial Regex StatementOnCatalog();
}
