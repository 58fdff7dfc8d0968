using System.Text;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>What was tried, as Markdown.</summary>
internal sealed class ClientTable
{
    private readonly List<string> _pushes = [];
    private readonly List<string> _reads = [];
    private readonly List<string> _differences = [];

    /// <summary>What was otherwise than documented.</summary>
    public IReadOnlyList<string> Differences => _differences;

    /// <param name="readBack">Who has read what it pushed, and from where.</param>
    public void AddTried(ClientRow row, string version, string store, string pushed, string readBack, Refusals refusals)
    {
        _pushes.Add(Line(row.Client, version, row.Protocol, store, pushed, readBack, refusals.NoToken, refusals.WrongScope,
            refusals.MissingReference));
        var what = $"{row.Client} on {store}";
        Compare($"{what}: a push", ClientTry.Pushed, pushed);
        Compare($"{what}: without a token", row.Documented.NoToken, refusals.NoToken);
        Compare($"{what}: with a token for reading", row.Documented.WrongScope, refusals.WrongScope);
        Compare($"{what}: a reference that is missing", row.Documented.MissingReference, refusals.MissingReference);
    }

    public void AddMissing(ClientRow row, string store, string reason) =>
        _pushes.Add(Line(row.Client, "", row.Protocol, store, $"not tried: {reason}", "", "", "", ""));

    public void AddUntried(UntriedRow row) =>
        _pushes.Add(Line(row.Client, "", row.Protocol, "", $"not tried: {row.Reason}", "", "", "", ""));

    /// <param name="unread">Whose paths it did not get.</param>
    /// <param name="underAnotherKey">How many paths it got that it was to refuse.</param>
    public void AddRead(string reader, string version, string from, int count, IReadOnlyList<string> unread, int underAnotherKey)
    {
        _reads.Add(Line(reader, version, from, $"{count - unread.Count} of {count} closures",
            underAnotherKey == 0 ? "refused" : $"{underAnotherKey} accepted"));
        Compare($"{reader} from {from}: what it could not read", "", string.Join(", ", unread));
        Compare($"{reader} from {from}: paths accepted with another key", "0", $"{underAnotherKey}");
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        Append(["Client", "Version", "Protocol", "Store", "Pushes", "Read back", "Without a token", "Without the scope",
            "A reference is missing"], _pushes);
        text.Append('\n');
        Append(["Reader", "Version", "From", "Reads", "Signed by another key"], [.. _reads.Order(StringComparer.Ordinal)]);
        return text.ToString();

        void Append(string[] names, List<string> lines) =>
            text.Append(Line(names)).Append('\n').Append(Line([.. names.Select(_ => "---")])).Append('\n')
                .AppendJoin("", lines.Select(l => l + "\n"));
    }

    private static string Line(params string[] cells) =>
        $"| {string.Join(" | ", cells.Select(c => c.ReplaceLineEndings(" ").Replace('|', '/')))} |";

    private void Compare(string what, string documented, string seen)
    {
        if (documented != seen)
            _differences.Add($"{what}: documented is '{documented}', and it was '{seen}'");
    }
}
