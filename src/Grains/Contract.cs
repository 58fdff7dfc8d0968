namespace OrleansCache.Grains;

/// <summary>
/// The version of the grains' interfaces. During a rolling update, silos of the old and the new version are members together. So a method
/// keeps its alias and its meaning; a message keeps its ids and gets only optional members; a new method raises the version, and a caller's
/// grain then lives at a silo that knows what the caller knows.
/// </summary>
public static class Contract
{
    public const ushort Version = 4;
}
