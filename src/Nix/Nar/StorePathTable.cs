using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// Finds a window's 32 bytes among hashes, and remembers which were found. The bytes and the hashes are others' choice, so the function is
/// keyed by a secret; it is four multiplications, as a long run asks for every byte.
/// </summary>
internal sealed class StorePathTable
{
    private static readonly ulong[] Keys = MakeKeys();

    private readonly StorePathHash[] _hashes;
    private readonly bool[] _found;
    private readonly Window[] _windows;
    private readonly int[] _slots; // index + 1 of a window, or 0
    private readonly int _shift;

    private readonly record struct Window(ulong A, ulong B, ulong C, ulong D);

    /// <param name="hashes">Each once.</param>
    public StorePathTable(StorePathHash[] hashes)
    {
        _hashes = hashes;
        _found = new bool[hashes.Length];
        _windows = [.. hashes.Select(hash => MemoryMarshal.Read<Window>(Encoding.ASCII.GetBytes(hash.ToString())))];
        var bits = 4;
        while (1 << bits < hashes.Length * 4)
            bits++;
        _slots = new int[1 << bits];
        _shift = 64 - bits;
        for (var i = 0; i < hashes.Length; i++)
        {
            var slot = SlotOf(_windows[i]);
            while (_slots[slot] != 0)
                slot = (slot + 1) & (_slots.Length - 1);
            _slots[slot] = i + 1;
        }
    }

    public bool IsEmpty => _hashes.Length == 0;

    public IEnumerable<StorePathHash> Found => _hashes.Where((_, index) => _found[index]);

    /// <returns>The index of the hash, or -1.</returns>
    public int Find(ReadOnlySpan<byte> window)
    {
        var wanted = MemoryMarshal.Read<Window>(window);
        for (var slot = SlotOf(wanted); _slots[slot] is var entry and > 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (_windows[entry - 1] != wanted)
                continue;
            _found[entry - 1] = true;
            return entry - 1;
        }

        return -1;
    }

    private int SlotOf(in Window window) =>
        (int)((window.A * Keys[0] + window.B * Keys[1] + window.C * Keys[2] + window.D * Keys[3]) >> _shift);

    private static ulong[] MakeKeys()
    {
        var keys = MemoryMarshal.Cast<byte, ulong>(RandomNumberGenerator.GetBytes(32)).ToArray();
        for (var i = 0; i < keys.Length; i++)
            keys[i] |= 1;
        return keys;
    }
}
