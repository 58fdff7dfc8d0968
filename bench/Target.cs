using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>A promise about a figure: at most so much, or at least.</summary>
internal sealed record Target(string Name, double Value, double Limit, string Unit, bool AtLeast = false)
{
    public bool IsMet => AtLeast ? Value >= Limit : Value <= Limit;

    public JsonObject ToJson() => new()
    {
        ["name"] = Name,
        ["value"] = Math.Round(Value, 3),
        ["limit"] = Limit,
        ["unit"] = Unit,
        ["met"] = IsMet,
    };

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(IsMet ? "met   " : "MISSED")}  {Name}: {Value:0.##} {Unit} (target: at {(AtLeast ? "least" : "most")} {Limit:0.##})");
}
