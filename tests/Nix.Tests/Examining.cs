using System.Text;

namespace OrleansCache.Nix.Tests;

/// <summary>NARs to examine, and what <see cref="NarExamination"/> must find, by the most literal reading.</summary>
internal static class Examining
{
    public const string Characters = "0123456789abcdfghijklmnpqrsvwxyz";

    public static NarFindings Whole(byte[] nar, StorePathHash[] expected, params (StorePathHash, ContentAddress)[] addresses) =>
        InPieces(nar, _ => int.MaxValue, expected, addresses);

    public static NarFindings InPieces(
        byte[] nar, Func<int, int> sizeAt, StorePathHash[] expected, params (StorePathHash, ContentAddress)[] addresses)
    {
        using var examination = new NarExamination(expected, addresses);
        for (int at = 0, size; at < nar.Length; at += size)
        {
            size = Math.Min(sizeAt(at), nar.Length - at);
            examination.Append(nar.AsSpan(at, size));
        }

        return examination.Finish();
    }

    public static byte[] FileNar(byte[] contents, bool executable = false) => new Tree.Regular(contents, executable).ToNar();

    public static byte[] FileNar(string contents) => FileNar(Encoding.Latin1.GetBytes(contents));

    /// <summary>The expected that occur, and of all runs of exactly 32 characters their hashes.</summary>
    public static StorePathHash[] Occurring(byte[] bytes, StorePathHash[] expected, out bool isPartial)
    {
        var text = Encoding.Latin1.GetString(bytes);
        var found = expected.Where(hash => text.Contains(hash.ToString(), StringComparison.Ordinal)).ToHashSet();
        isPartial = false;
        foreach (var run in text.Split([.. Enumerable.Range(0, 256).Select(value => (char)value).Except(Characters)]))
        {
            isPartial |= run.Length > 32;
            if (run.Length == 32)
                found.Add(StorePathHash.Parse(run));
        }

        return [.. found.Order()];
    }

    /// <summary>The bytes with zeros for each reference to the path, from the first on, and their positions.</summary>
    public static byte[] Modulo(byte[] bytes, StorePathHash self, bool positions)
    {
        var text = Encoding.Latin1.GetString(bytes);
        var suffix = new StringBuilder();
        for (int at; (at = text.IndexOf(self.ToString(), StringComparison.Ordinal)) >= 0;)
        {
            text = text[..at] + new string('\0', 32) + text[(at + 32)..];
            if (positions)
                suffix.Append($"|{at}");
        }

        return Encoding.Latin1.GetBytes(text + suffix);
    }

    public static StorePathHash RandomHash(Random random) => StorePathHash.Parse(RandomRun(random, 32));

    public static string RandomRun(Random random, int length) =>
        new([.. Enumerable.Range(0, length).Select(_ => Characters[random.Next(32)])]);
}
