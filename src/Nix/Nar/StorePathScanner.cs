using System.Buffers;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// Finds store path hashes in bytes as Nix's reference scanner does: 32 characters of nix32 in a row, at any position, also across pieces.
/// A <em>window</em> is such 32 bytes; a <em>run</em> is all characters of nix32 between two other bytes, and has a window for each
/// character from the 32nd on.
/// </summary>
/// <param name="located">Hashes whose occurrences <see cref="Located"/> tells, each once.</param>
/// <param name="others">More hashes that every window is compared with, each once and none of the others.</param>
internal sealed class StorePathScanner(IReadOnlyList<StorePathHash> located, IEnumerable<StorePathHash> others)
{
    public const int MaxCandidates = 4096;

    private const int Length = StorePathHash.TextLength;

    private static readonly SearchValues<byte> Characters = SearchValues.Create("0123456789abcdfghijklmnpqrsvwxyz"u8);
    private static readonly bool[] IsCharacter = [.. Enumerable.Range(0, 256).Select(value => Characters.Contains((byte)value))];

    private readonly StorePathTable _expected = new([.. located, .. others]);
    private readonly HashSet<StorePathHash> _candidates = [];
    private readonly byte[] _runFirst = new byte[Length]; // the first window of the run, once it has one
    private readonly byte[] _runLast = new byte[Length - 1]; // the last bytes of the run
    private long _run; // characters of the run that reached the end of the last piece
    private long _position; // where the piece begins

    /// <summary>
    /// Where hashes of <c>located</c>, by their index, begin that end in the last piece. In order; those of one hash may overlap.
    /// </summary>
    public List<(int Index, long Position)> Located { get; } = [];

    /// <summary>True when windows of runs longer than 32, or of more than <see cref="MaxCandidates"/> runs, are not kept.</summary>
    public bool IsPartial { get; private set; }

    public void Scan(ReadOnlySpan<byte> piece)
    {
        Located.Clear();
        var start = CharactersAt(piece);
        ContinueRun(piece[..start], _position);
        if (start < piece.Length)
        {
            EndRun();
            ScanRuns(piece, start + 1);
        }

        _position += piece.Length;
    }

    /// <summary>To be called once, after the last piece.</summary>
    /// <returns>In order, each once.</returns>
    public StorePathHash[] Finish()
    {
        EndRun();
        return [.. _expected.Found.Concat(_candidates).Order()];
    }

    /// <summary>
    /// Looks at a window's last byte first: if it is no character, no window has it, and the next 31 bytes need no look.
    /// </summary>
    /// <param name="start">Where a run can begin.</param>
    private void ScanRuns(ReadOnlySpan<byte> piece, int start)
    {
        var isCharacter = IsCharacter;
        var known = start; // from start to here all are characters
        while (start + Length <= piece.Length)
        {
            var at = start + Length - 1;
            while (at >= known && isCharacter[piece[at]])
                at--;
            if (at >= known)
            {
                known = start + Length;
                start = at + 1;
                continue;
            }

            var end = start + Length + CharactersAt(piece[(start + Length)..]);
            ContinueRun(piece[start..end], _position + start);
            if (end == piece.Length)
                return;
            EndRun();
            start = known = end + 1;
        }

        // Fewer than 32 bytes are left, and a run may begin among them.
        var last = piece.Length;
        while (last > known && isCharacter[piece[last - 1]])
            last--;
        if (last <= known)
            last = start;
        if (last < piece.Length)
            ContinueRun(piece[last..], _position + last);
    }

    private static int CharactersAt(ReadOnlySpan<byte> bytes) =>
        bytes.IndexOfAnyExcept(Characters) is var end and >= 0 ? end : bytes.Length;

    /// <param name="bytes">Characters, up to the end of the run or of the piece.</param>
    /// <param name="position">Of the first of them.</param>
    private void ContinueRun(ReadOnlySpan<byte> bytes, long position)
    {
        var before = (int)Math.Min(_run, Length - 1);
        if (before + bytes.Length >= Length)
        {
            Span<byte> crossing = stackalloc byte[2 * (Length - 1)];
            crossing = crossing[..(before + Math.Min(bytes.Length, Length - 1))];
            _runLast.AsSpan(0, before).CopyTo(crossing);
            bytes[..(crossing.Length - before)].CopyTo(crossing[before..]);
            if (_run < Length)
                (before == 0 ? bytes : crossing)[..Length].CopyTo(_runFirst);
            if (before > 0)
                Compare(crossing, position - before);
            Compare(bytes, position);
        }

        if (bytes.Length >= _runLast.Length)
        {
            bytes[^_runLast.Length..].CopyTo(_runLast);
        }
        else
        {
            var kept = Math.Min(before, _runLast.Length - bytes.Length);
            _runLast.AsSpan(before - kept, kept).CopyTo(_runLast);
            bytes.CopyTo(_runLast.AsSpan(kept));
        }

        _run += bytes.Length;
    }

    private void Compare(ReadOnlySpan<byte> characters, long position)
    {
        if (_expected.IsEmpty)
            return;
        for (var i = 0; i + Length <= characters.Length; i++)
        {
            if (_expected.Find(characters.Slice(i, Length)) is var index and >= 0 && index < located.Count)
                Located.Add((index, position + i));
        }
    }

    private void EndRun()
    {
        if (_run == Length)
            AddCandidate();
        IsPartial |= _run > Length;
        _run = 0;
    }

    private void AddCandidate()
    {
        if (_expected.Find(_runFirst) >= 0)
            return;
        Span<char> text = stackalloc char[Length];
        _ = Encoding.ASCII.GetChars(_runFirst, text);
        _ = StorePathHash.TryParse(text, out var hash);
        if (_candidates.Count < MaxCandidates)
            _candidates.Add(hash);
        else
            IsPartial |= !_candidates.Contains(hash);
    }
}
